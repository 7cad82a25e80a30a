/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is most late relative to its interval changes with time where intervals differ, so that one
 * heap cannot have that order. Among guests of one interval it does not: each class has a heap, and
 * a slot is given by comparing the first of each.
 */
#include "vmguard/schedule.h"

#include <errno.h>
#include <stdlib.h>

#include "schedule/heap.h"

/* Guests that have the store and the interval in common. */
struct schedule_class {
	struct schedule_class *next;
	struct schedule_store *store;
	int64_t interval_ms;
	size_t members;
	struct heap waiting;
};

struct schedule {
	unsigned limit, running;
	size_t guests;
	uint32_t begun; /* how many grids: spreads them */
	struct heap timers;
	struct schedule_class *classes;
	size_t waiting;
};

int schedule_open(unsigned limit, struct schedule **s, struct fault *f)
{
	*s = calloc(1, sizeof(**s));
	if (!*s)
		return fault_errno(f, -ENOMEM, "keep a schedule");
	(*s)->limit = limit;
	return 0;
}

void schedule_close(struct schedule *s)
{
	if (!s)
		return;
	heap_free(&s->timers);
	free(s);
}

void schedule_set_limit(struct schedule *s, unsigned limit)
{
	s->limit = limit;
}

/* ---- classes ------------------------------------------------------------------------------ */

static struct schedule_class *class_find(struct schedule *s, const struct schedule_store *store,
					 int64_t interval_ms)
{
	struct schedule_class *c = s->classes;

	while (c && (c->store != store || c->interval_ms != interval_ms))
		c = c->next;
	return c;
}

static void class_leave(struct schedule *s, struct schedule_class *class)
{
	struct schedule_class **at = &s->classes;

	if (class->members && --class->members)
		return;
	while (*at != class)
		at = &(*at)->next;
	*at = class->next;
	heap_free(&class->waiting);
	free(class);
}

static struct schedule_class *class_new(struct schedule *s, struct schedule_store *store,
					int64_t interval_ms)
{
	struct schedule_class *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->store = store;
	c->interval_ms = interval_ms;
	c->next = s->classes;
	s->classes = c;
	return c;
}

/* NULL: no memory. */
static struct schedule_class *class_join(struct schedule *s, struct schedule_store *store,
					 int64_t interval_ms)
{
	struct schedule_class *c = class_find(s, store, interval_ms);

	if (!c)
		c = class_new(s, store, interval_ms);
	if (c && heap_reserve(&c->waiting, c->members + 1)) {
		if (!c->members)
			class_leave(s, c);
		return NULL;
	}
	if (c)
		c->members++;
	return c;
}

/* ---- guests ------------------------------------------------------------------------------- */

int schedule_add(struct schedule *s, struct schedule_guest *g, int64_t interval_ms,
		 struct schedule_store *store, struct fault *f)
{
	struct schedule_class *c = NULL;

	if (!heap_reserve(&s->timers, s->guests + 1))
		c = class_join(s, store, interval_ms);
	if (!c)
		return fault_errno(f, -ENOMEM, "schedule another guest");
	s->guests++;
	*g = (struct schedule_guest){
		.interval_ms = interval_ms, .store = store, .class = c, .tick = -1};
	return 0;
}

/* Moment of a grid point, as far from the others' as can be: the golden ratio's multiples. */
static int64_t spread(struct schedule *s, int64_t interval_ms)
{
	const uint32_t golden = 2654435769u; /* 2^32 / 1.618… */
	uint32_t fraction = golden * s->begun++;

	return (int64_t)((double)interval_ms * fraction / 4294967296.0);
}

static void renew_grid(struct schedule *s, struct schedule_guest *g, int64_t now_ms)
{
	g->grid_ms = now_ms + spread(s, g->interval_ms);
	g->started_ms = now_ms;
	g->tick = -1;
}

int schedule_change(struct schedule *s, struct schedule_guest *g, int64_t interval_ms,
		    struct fault *f)
{
	struct schedule_class *c = class_join(s, g->store, interval_ms);

	if (!c)
		return fault_errno(f, -ENOMEM, "schedule a guest with another interval");
	class_leave(s, g->class);
	g->class = c;
	g->interval_ms = interval_ms;
	/* One that runs keeps its start, from which its first tick is counted. */
	int64_t started_ms = g->started_ms;
	renew_grid(s, g, started_ms);
	return 0;
}

void schedule_remove(struct schedule *s, struct schedule_guest *g)
{
	schedule_disarm(s, g);
	if (g->where == SCHEDULE_RUNNING)
		schedule_over(s, g, false);
	class_leave(s, g->class);
	g->class = NULL;
	s->guests--;
}

void schedule_begin(struct schedule *s, struct schedule_guest *g, int64_t now_ms, int64_t last_ms)
{
	renew_grid(s, g, now_ms);
	int64_t at_ms = last_ms == SCHEDULE_NEVER ? now_ms : last_ms + g->interval_ms;
	if (at_ms > g->grid_ms)
		at_ms = g->grid_ms;
	schedule_arm(s, g, at_ms > now_ms ? at_ms : now_ms);
}

void schedule_disarm(struct schedule *s, struct schedule_guest *g)
{
	if (g->where == SCHEDULE_TIMER)
		heap_remove(&s->timers, g);
	else if (g->where == SCHEDULE_QUEUE) {
		heap_remove(&g->class->waiting, g);
		s->waiting--;
	} else
		return;
	g->where = SCHEDULE_IDLE;
}

void schedule_arm(struct schedule *s, struct schedule_guest *g, int64_t at_ms)
{
	schedule_disarm(s, g);
	g->at_ms = at_ms;
	g->where = SCHEDULE_TIMER;
	heap_push(&s->timers, g);
}

/* The last tick that is not after the time; -1: before all. */
static int64_t tick_at(const struct schedule_guest *g, int64_t ms)
{
	return ms < g->grid_ms ? -1 : (ms - g->grid_ms) / g->interval_ms;
}

void schedule_arm_next(struct schedule *s, struct schedule_guest *g, int64_t now_ms)
{
	int64_t tick = tick_at(g, g->started_ms) + 1;
	int64_t passed = tick_at(g, now_ms);

	schedule_arm(s, g, g->grid_ms + (tick > passed ? tick : passed) * g->interval_ms);
}

struct schedule_guest *schedule_expired(struct schedule *s, int64_t now_ms)
{
	struct schedule_guest *g = heap_first(&s->timers);

	if (!g || g->at_ms > now_ms)
		return NULL;
	schedule_disarm(s, g);
	return g;
}

void schedule_queue(struct schedule *s, struct schedule_guest *g, int64_t due_ms)
{
	schedule_disarm(s, g);
	g->at_ms = due_ms;
	g->where = SCHEDULE_QUEUE;
	heap_push(&g->class->waiting, g);
	s->waiting++;
}

static bool has_room(const struct schedule_store *store)
{
	return !store->limit || store->running < store->limit;
}

static struct schedule_guest *most_late(const struct schedule *s, int64_t now_ms)
{
	struct schedule_guest *found = NULL;
	double most = 0;

	for (struct schedule_class *c = s->classes; c; c = c->next) {
		struct schedule_guest *g = heap_first(&c->waiting);

		if (!g || !has_room(c->store))
			continue;
		double late = (double)(now_ms - g->at_ms) / (double)c->interval_ms;
		if (!found || late > most) {
			found = g;
			most = late;
		}
	}
	return found;
}

struct schedule_guest *schedule_grant(struct schedule *s, int64_t now_ms)
{
	struct schedule_guest *g = s->running < s->limit ? most_late(s, now_ms) : NULL;

	if (!g)
		return NULL;
	schedule_disarm(s, g);
	g->where = SCHEDULE_RUNNING;
	g->started_ms = now_ms;
	g->store->running++;
	s->running++;
	return g;
}

void schedule_over(struct schedule *s, struct schedule_guest *g, bool taken)
{
	int64_t tick = tick_at(g, g->started_ms);

	if (taken && g->tick >= 0 && tick > g->tick + 1)
		g->missed += tick - g->tick - 1;
	if (taken)
		g->tick = tick;
	g->store->running--;
	s->running--;
	g->where = SCHEDULE_IDLE;
}

int64_t schedule_wake_ms(const struct schedule *s)
{
	const struct schedule_guest *g = heap_first(&s->timers);

	return g ? g->at_ms : INT64_MAX;
}

unsigned schedule_running(const struct schedule *s)
{
	return s->running;
}

size_t schedule_waiting(const struct schedule *s)
{
	return s->waiting;
}
