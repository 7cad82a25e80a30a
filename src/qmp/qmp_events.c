/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/qmp_events.h"

#include <errno.h>
#include <stdlib.h>

#include "qmp/qmp_error.h"

struct qmp_queued_event {
	struct qmp_queued_event *next;
	struct qmp_event event;
	size_t bytes;
};

static void drop_oldest(struct qmp_events *q)
{
	struct qmp_event event;

	if (!qmp_events_pop(q, &event))
		return;
	qmp_event_clear(&event);
	q->dropped++;
}

int qmp_events_push(struct qmp_events *q, struct qmp_event *event, size_t bytes,
		    struct qmp_error *e)
{
	struct qmp_queued_event *queued = malloc(sizeof(*queued));

	if (!queued) {
		qmp_error_set(e, -ENOMEM, "no memory for the event %s", event->name);
		qmp_event_clear(event);
		return -ENOMEM;
	}
	*queued = (struct qmp_queued_event){.event = *event, .bytes = bytes};
	*(q->last ? &q->last->next : &q->first) = queued;
	q->last = queued;
	q->count++;
	q->bytes += bytes;
	while (q->count > QMP_EVENTS_MAX || q->bytes > QMP_EVENTS_BYTES_MAX)
		drop_oldest(q);
	return 0;
}

bool qmp_events_pop(struct qmp_events *q, struct qmp_event *event)
{
	struct qmp_queued_event *queued = q->first;

	if (!queued)
		return false;
	*event = queued->event;
	q->first = queued->next;
	if (!q->first)
		q->last = NULL;
	q->count--;
	q->bytes -= queued->bytes;
	free(queued);
	return true;
}

void qmp_events_clear(struct qmp_events *q)
{
	struct qmp_event event;

	while (qmp_events_pop(q, &event))
		qmp_event_clear(&event);
}

void qmp_event_clear(struct qmp_event *event)
{
	json_object_put(event->data);
	event->data = NULL;
}
