/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schedule: which guest is captured next. Pure: the time is an argument, in milliseconds of a
 * clock that only goes forward. It says who is due; what follows from that is the caller's.
 *
 *	          arm, next tick             queue                grant
 *	idle ──────────────────> timer ~~> expired ──> queue ─────────────> running ──> idle
 *	                                               by store and interval    over
 *
 * Each guest has a grid of its own, of its interval. Those that are protected at the same time get
 * grids that lie evenly apart, so that they do not capture at once. A tick that passes while the
 * capture before it runs, or waits, is missed: not two captures follow, but one that is due at
 *once.
 *
 * Slots are limited for the host and for each store. A free one goes to whoever is most late
 * relative to its interval, so that nobody starves and a short interval is not worth more than it
 * says.
 *
 * A step costs O(log guests + intervals in use). Memory is taken when a guest is added or changed,
 * so that nothing else fails. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"

/* The caller's, one for each store that guests are captured to; it outlives them. */
struct schedule_store {
	unsigned limit;	  /* of captures at the same time; 0: only the host's counts */
	unsigned running; /* schedule.c's */
};

enum schedule_where {
	SCHEDULE_IDLE,
	SCHEDULE_TIMER,
	SCHEDULE_QUEUE,
	SCHEDULE_RUNNING,
};

/* Embedded by the caller, who reads it; schedule.c's to write. */
struct schedule_guest {
	int64_t interval_ms;
	uint64_t missed; /* ticks without a checkpoint, since it was added; known at the next one */
	enum schedule_where where;
	int64_t at_ms; /* of its timer; in the queue: since when it is due */
	int64_t started_ms;
	struct schedule_store *store;
	int64_t grid_ms; /* of tick 0 */
	int64_t tick;	 /* that has the last checkpoint; -1: none has */
	size_t index;	 /* in the heap that it is in */
	struct schedule_class *class;
};

struct schedule;

/* limit: of captures at the same time on this host, at least 1. */
int schedule_open(unsigned limit, struct schedule **s, struct fault *f);
/* All guests were removed. NULL is fine. */
void schedule_close(struct schedule *s);

/* Another limit; what runs goes on. */
void schedule_set_limit(struct schedule *s, unsigned limit);

/* A guest is idle at first. interval_ms is at least 1. -ENOMEM: it was not added. */
int schedule_add(struct schedule *s, struct schedule_guest *g, int64_t interval_ms,
		 struct schedule_store *store, struct fault *f);

/* Another interval; it has to be idle or running. -ENOMEM: it has the old one. */
int schedule_change(struct schedule *s, struct schedule_guest *g, int64_t interval_ms,
		    struct fault *f);

/* From wherever it is; one that runs gives its slot back. */
void schedule_remove(struct schedule *s, struct schedule_guest *g);

/*
 * Its grid begins anew, and its timer is set: within one interval from now, and not later than one
 * after its last checkpoint (last_ms). One that has none (SCHEDULE_NEVER) is due at once.
 */
#define SCHEDULE_NEVER INT64_MIN
void schedule_begin(struct schedule *s, struct schedule_guest *g, int64_t now_ms, int64_t last_ms);

/* Its timer is set: to a time, or to the tick after its last start (at once, if that has passed).
 */
void schedule_arm(struct schedule *s, struct schedule_guest *g, int64_t at_ms);
void schedule_arm_next(struct schedule *s, struct schedule_guest *g, int64_t now_ms);

/* Out of the timers or the queue: it is idle. */
void schedule_disarm(struct schedule *s, struct schedule_guest *g);

/* The next one whose timer has expired, idle now; NULL: none. */
struct schedule_guest *schedule_expired(struct schedule *s, int64_t now_ms);

/* It waits for a slot, late since due_ms. */
void schedule_queue(struct schedule *s, struct schedule_guest *g, int64_t due_ms);

/* Gives a free slot to the next one; NULL: none is free, or nobody waits. */
struct schedule_guest *schedule_grant(struct schedule *s, int64_t now_ms);

/* Its capture is over: the slot is free, the guest idle. taken: it has a checkpoint of its start.
 */
void schedule_over(struct schedule *s, struct schedule_guest *g, bool taken);

/* When the next timer expires; INT64_MAX: none does. A free slot needs no timer: it is asked for.
 */
int64_t schedule_wake_ms(const struct schedule *s);

/* How many captures run on this host, and wait. */
unsigned schedule_running(const struct schedule *s);
size_t schedule_waiting(const struct schedule *s);
