/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring. Sequence numbers start at the millisecond of the daemon's start times 2^10, so that
 * they rise over restarts without anything on disk, and stay below the 2^53 that JSON readers have.
 */
#include "vmguard/events.h"

#include <errno.h>
#include <stdio.h>

#include "vmguard/clock.h"
#include "vmguard/utf8.h"

enum { SEQUENCE_SHIFT = 10 };

struct events {
	char host[EVENT_NAME_BYTES];
	struct event_sink *sinks;
	uint64_t first, next; /* sequence of the oldest that is kept, and of the next one */
	size_t room;
	struct event ring[]; /* by sequence, modulo its room */
};

int events_new(const char *host, size_t room, struct events **out, struct fault *f)
{
	struct events *e = room ? calloc(1, sizeof(*e) + room * sizeof(e->ring[0])) : NULL;

	*out = e;
	if (!e)
		return fault_errno(f, room ? -ENOMEM : -EINVAL, "keep the last %zu events", room);
	snprintf(e->host, sizeof(e->host), "%s", host);
	utf8_clean(e->host);
	e->room = room;
	e->first = e->next = (uint64_t)wall_ms() << SEQUENCE_SHIFT;
	return 0;
}

void events_close(struct events *e)
{
	free(e);
}

static void tell_sinks(struct events *e, const struct event *event)
{
	for (struct event_sink *sink = e->sinks, *next; sink; sink = next) {
		next = sink->next;
		sink->event(sink, event);
	}
}

void events_add(struct events *e, struct event *event)
{
	event->sequence = e->next++;
	event->time_ms = wall_ms();
	snprintf(event->host, sizeof(event->host), "%s", e->host);
	e->ring[event->sequence % e->room] = *event;
	if (e->next - e->first > e->room)
		e->first = e->next - e->room;
	tell_sinks(e, event);
}

void events_add_sink(struct events *e, struct event_sink *sink)
{
	struct event_sink **last = &e->sinks;

	while (*last)
		last = &(*last)->next;
	sink->next = NULL;
	*last = sink;
}

void events_remove_sink(struct events *e, struct event_sink *sink)
{
	for (struct event_sink **at = &e->sinks; *at; at = &(*at)->next)
		if (*at == sink) {
			*at = sink->next;
			return;
		}
}

uint64_t events_newest(const struct events *e)
{
	return e->next > e->first ? e->next - 1 : 0;
}

const struct event *events_after(const struct events *e, uint64_t sequence, bool *gap)
{
	uint64_t at = sequence + 1;

	*gap = sequence && (at < e->first || at > e->next);
	if (!sequence || *gap)
		at = e->first;
	return at < e->next ? &e->ring[at % e->room] : NULL;
}
