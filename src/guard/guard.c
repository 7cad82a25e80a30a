/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "guard/steps.h"
#include "vmguard/scope.h"

int guards_open(struct guard_sink *sink, unsigned captures_max, struct guards **guards,
		struct fault *f)
{
	auto_free struct guards *s = calloc(1, sizeof(*s));

	if (!s)
		return fault_errno(f, -ENOMEM, "guard guests");
	s->sink = sink;
	int r = schedule_open(captures_max, &s->schedule, f);
	if (r < 0)
		return r;
	*guards = give(s);
	return 0;
}

void guards_close(struct guards *guards)
{
	if (!guards)
		return;
	schedule_close(guards->schedule);
	free(guards);
}

void guards_set_limit(struct guards *guards, unsigned captures_max)
{
	schedule_set_limit(guards->schedule, captures_max);
}

static int check_terms(const char *name, const struct guard_terms *t, struct fault *f)
{
	if (t->interval_ms < 1)
		return fault_set(f, -EINVAL,
				 "protect %s every %" PRId64 " ms: at least 1 is needed", name,
				 t->interval_ms);
	if (t->restart_limit > GUARD_RESTARTS_MAX)
		return fault_set(f, -EINVAL,
				 "restart %s %u times within a window: at most %d are counted",
				 name, t->restart_limit, GUARD_RESTARTS_MAX);
	return 0;
}

int guard_add(struct guards *guards, struct guard *g, const char *name,
	      const struct guard_terms *terms, struct schedule_store *store, int64_t now_ms,
	      struct fault *f)
{
	int r = check_terms(name, terms, f);

	if (r < 0)
		return r;
	*g = (struct guard){.guards = guards,
			    .name = name,
			    .terms = *terms,
			    .since_ms = now_ms,
			    .ended = GUARD_EVENTS};
	return schedule_add(guards->schedule, &g->schedule, terms->interval_ms, store, f);
}

void guard_found(struct guard *g, uint64_t checkpoint, int64_t taken_ms)
{
	g->checkpoint = checkpoint;
	g->taken_ms = taken_ms;
}

int guard_change(struct guard *g, const struct guard_terms *terms, int64_t now_ms, struct fault *f)
{
	struct schedule_guest *s = &g->schedule;
	int r = check_terms(g->name, terms, f);

	if (r < 0)
		return r;
	if (terms->interval_ms != s->interval_ms) {
		schedule_disarm(g->guards->schedule, s);
		r = schedule_change(g->guards->schedule, s, terms->interval_ms, f);
	}
	if (!r)
		g->terms = *terms;
	/* Also where it failed: the timer has to be set again. */
	guard_tell(g, &(struct guard_news){.event = GUARD_CHANGED}, now_ms);
	return r;
}

void guard_tell(struct guard *g, const struct guard_news *news, int64_t now_ms)
{
	guard_step *step = guard_step_for(g->state, news->event);

	if (step)
		step(g, news, now_ms);
	else
		g->guards->sink->ops->unexpected(g->guards->sink, g, news->event);
}

bool guard_can_be_asked(const struct guard *g)
{
	return guard_step_for(g->state, GUARD_ASKED) != NULL;
}

void guards_step(struct guards *guards, int64_t now_ms)
{
	struct schedule_guest *s;

	while ((s = schedule_expired(guards->schedule, now_ms)))
		guard_tell((struct guard *)s, &(struct guard_news){.event = GUARD_TIME}, now_ms);
	while ((s = schedule_grant(guards->schedule, now_ms)))
		guard_tell((struct guard *)s, &(struct guard_news){.event = GUARD_SLOT}, now_ms);
}

int64_t guards_wake_ms(const struct guards *guards)
{
	return schedule_wake_ms(guards->schedule);
}

unsigned guards_capturing(const struct guards *guards)
{
	return schedule_running(guards->schedule);
}

size_t guards_waiting(const struct guards *guards)
{
	return schedule_waiting(guards->schedule);
}

int64_t guard_age_ms(const struct guard *g, int64_t now_ms)
{
	return g->checkpoint ? now_ms - g->taken_ms : -1;
}
