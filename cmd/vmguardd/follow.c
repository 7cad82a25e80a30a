/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who follows: streams of guests, of an operation, of events. After whatever has happened
 * followers_pump() gives each what is new to it; one that reads too slowly is left alone until it
 * has room again, and what it follows is described as it is then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "serve.h"
#include "vmguard/json_text.h"
#include "vmguard/operations.h"

enum { GUESTS_EVERY_MS = 1000, GUESTS_AGE_MS = 2000, EVENTS_DEFAULT = 100, EVENTS_MAX = 1000 };

struct follower {
	struct follower *next;
	struct daemon *daemon;
	struct api_stream *stream;
	/* Sends what is new. -EAGAIN: it has no room; another error: it is over. */
	int (*pump)(struct follower *w);
	bool full; /* no room */
	bool over; /* everything is sent */

	uint64_t version; /* of what was sent last, plus 1; 0: nothing was */
	int64_t sent_ms;
	uint64_t sequence;	      /* of the last event */
	uint64_t operation;	      /* its id */
	char guest[STORE_NAME_BYTES]; /* whose events; "": all */
};

/* ---- what is new ---------------------------------------------------------------------------- */

static int send_json(struct follower *w, const char *event, struct json_object *o)
{
	char *text = json_text_write(o);
	int r = text ? api_stream_send(w->stream, NULL, event, text) : -ENOMEM;

	free(text);
	json_object_put(o);
	return r;
}

static int pump_guests(struct follower *w)
{
	struct daemon *d = w->daemon;
	int64_t now_ms = daemon_now_ms();

	bool is_new = w->version != d->guests_version + 1;

	if (w->version && now_ms < w->sent_ms + (is_new ? GUESTS_EVERY_MS : GUESTS_AGE_MS))
		return 0;
	int r = send_json(w, "guests", describe_guests(d));
	if (r < 0)
		return r;
	w->version = d->guests_version + 1;
	w->sent_ms = now_ms;
	return 0;
}

static int pump_operation(struct follower *w)
{
	const struct operation *o = operations_find(w->daemon->operations, w->operation);

	if (!o)
		return -ENOENT;
	if (w->version == o->version + 1)
		return 0;
	int r = send_json(w, "operation", operation_json(o));
	if (r < 0)
		return r;
	w->version = o->version + 1;
	w->over = operation_is_over(o);
	return 0;
}

static int send_event(struct follower *w, const struct event *e)
{
	char id[24], *text = event_json(e);

	snprintf(id, sizeof(id), "%" PRIu64, e->sequence);
	int r = text ? api_stream_send(w->stream, id, event_kind_name(e->kind), text) : -ENOMEM;
	free(text);
	return r;
}

static bool concerns(const char *guest, const struct event *e)
{
	return !*guest || !strcmp(guest, e->guest);
}

static int pump_events(struct follower *w)
{
	const struct event *e;
	bool gap;
	int r = 0;

	while (!r && (e = events_after(w->daemon->events, w->sequence, &gap))) {
		if (gap)
			r = api_stream_send(w->stream, NULL, "gap", "{}");
		if (!r && concerns(w->guest, e))
			r = send_event(w, e);
		if (!r)
			w->sequence = e->sequence;
	}
	return r;
}

/* ---- followers ------------------------------------------------------------------------------ */

static void pump(struct follower *w)
{
	if (w->full || w->over)
		return;
	int r = w->pump(w);
	w->full = r == -EAGAIN;
	w->over = w->over || (r < 0 && r != -EAGAIN);
	if (w->over)
		api_stream_end(w->stream);
}

void followers_pump(struct daemon *d)
{
	for (struct follower *w = d->followers, *next; w; w = next) {
		next = w->next;
		pump(w);
	}
}

static void on_room(void *follower, struct api_stream *s)
{
	struct follower *w = follower;

	(void)s;
	w->full = false;
	pump(w);
}

static void on_closed(void *follower, struct api_stream *s)
{
	struct follower *w = follower, **at = &w->daemon->followers;

	(void)s;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	free(w);
}

/* NULL: that was answered. */
static struct follower *follow(struct daemon *d, struct api_request *r,
			       int (*what)(struct follower *w))
{
	struct follower *w = calloc(1, sizeof(*w));
	const struct api_follower calls = {.room = on_room, .closed = on_closed, .context = w};
	struct fault f;

	if (!w) {
		fault_errno(&f, -ENOMEM, "follow %s", api_path(r));
		api_answer_fault(r, &f);
		return NULL;
	}
	w->daemon = d;
	w->pump = what;
	w->stream = api_answer_stream(r, &calls);
	if (!w->stream) {
		free(w);
		return NULL;
	}
	w->next = d->followers;
	d->followers = w;
	return w; /* daemon_step(), which follows, sends it what there is */
}

/* ---- requests ------------------------------------------------------------------------------- */

void follow_guests(void *daemon, struct api_request *r)
{
	if (serve_wants_stream(r))
		follow(daemon, r, pump_guests);
	else
		api_answer_json(r, 200, describe_guests(daemon));
}

void follow_operation(void *daemon, struct api_request *r)
{
	struct daemon *d = daemon;
	uint64_t id = strtoull(api_param(r, "id"), NULL, 10);
	const struct operation *o = operations_find(d->operations, id);
	struct follower *w;
	struct fault f;

	if (!o) {
		fault_set(&f, -ENOENT, "there is no operation %s: the last %d are kept",
			  api_param(r, "id"), OPERATIONS_ENDED_KEPT);
		api_answer_fault(r, &f);
	} else if (!serve_wants_stream(r)) {
		api_answer_json(r, 200, operation_json(o));
	} else if ((w = follow(d, r, pump_operation))) {
		w->operation = id;
	}
}

/* ---- events --------------------------------------------------------------------------------- */

/* A whole number behind the ?; -EINVAL says which is none. */
static int query_number(const struct api_request *r, const char *name, uint64_t most,
			uint64_t *number, struct fault *f)
{
	const char *text = api_query(r, name);
	char *end;

	if (!text)
		return 0;
	*number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || *number > most)
		return fault_set(f, -EINVAL, "%s is a number from 0 to %" PRIu64, name, most);
	return 0;
}

static void list_events(const struct daemon *d, struct api_request *r, uint64_t after,
			uint64_t limit)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();
	const char *guest = api_query(r, "guest") ? api_query(r, "guest") : "";
	const struct event *e;
	bool gap = false, first = true;

	for (bool missed; limit && (e = events_after(d->events, after, &missed));
	     after = e->sequence) {
		gap = gap || (first && missed && api_query(r, "after"));
		first = false;
		if (!concerns(guest, e))
			continue;
		char *text = event_json(e);
		json_object_array_add(array, json_tokener_parse(text ? text : "{}"));
		free(text);
		limit--;
	}
	json_object_object_add(o, "events", array);
	json_object_object_add(o, "gap", json_object_new_boolean(gap));
	api_answer_json(r, 200, o);
}

static void stream_events(struct daemon *d, struct api_request *r, uint64_t after)
{
	const char *last = api_last_event_id(r);
	struct follower *w = follow(d, r, pump_events);

	if (!w)
		return;
	w->sequence = last		      ? strtoull(last, NULL, 10)
		      : api_query(r, "after") ? after
					      : events_newest(d->events);
	snprintf(w->guest, sizeof(w->guest), "%s",
		 api_query(r, "guest") ? api_query(r, "guest") : "");
}

void follow_events(void *daemon, struct api_request *r)
{
	struct daemon *d = daemon;
	uint64_t after = 0, limit = EVENTS_DEFAULT;
	struct fault f;

	if (query_number(r, "after", INT64_MAX, &after, &f) < 0 ||
	    query_number(r, "limit", EVENTS_MAX, &limit, &f) < 0)
		api_answer_fault(r, &f);
	else if (serve_wants_stream(r))
		stream_events(d, r, after);
	else
		list_events(d, r, after, limit);
}
