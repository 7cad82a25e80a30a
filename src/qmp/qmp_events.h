/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The events that came and were not yet asked for, oldest first. The queue is bounded: a
 * program that never asks must not grow, and one that asks late wants the latest state, so
 * the oldest ones are dropped and counted.
 */
#pragma once

#include <stddef.h>

#include "vmguard/qmp.h"

enum {
	QMP_EVENTS_MAX = 4096,
	QMP_EVENTS_BYTES_MAX = 32 << 20, /* as they came over the socket */
};

struct qmp_queued_event;

struct qmp_events {
	struct qmp_queued_event *first, *last;
	size_t count, bytes;
	uint64_t dropped;
};

/* Owns event->data from here, also on failure (-ENOMEM). */
int qmp_events_push(struct qmp_events *q, struct qmp_event *event, size_t bytes,
		    struct qmp_error *e);
/* False: none is here. */
bool qmp_events_pop(struct qmp_events *q, struct qmp_event *event);
void qmp_events_clear(struct qmp_events *q);
