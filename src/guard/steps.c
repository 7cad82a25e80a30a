/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard/steps.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static struct schedule *schedule_of(const struct guard *g)
{
	return g->guards->schedule;
}

/* NULL: no detail. */
__attribute__((format(printf, 5, 6))) static void move(struct guard *g, enum guard_state to,
						       enum guard_event event, int64_t now_ms,
						       const char *format, ...)
{
	struct guard_transition t;
	va_list arguments;

	t.from = g->state;
	t.to = to;
	t.event = event;
	t.detail[0] = '\0';
	va_start(arguments, format);
	if (format)
		vsnprintf(t.detail, sizeof(t.detail), format, arguments);
	va_end(arguments);
	g->state = to;
	g->since_ms = now_ms;
	g->guards->sink->ops->moved(g->guards->sink, g, &t);
}

static void set_why(struct guard *g, const char *why)
{
	snprintf(g->why, sizeof(g->why), "%s", why ? why : "");
}

void guard_keep(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	(void)g, (void)n, (void)now_ms;
}

/* ---- it runs ------------------------------------------------------------------------------ */

void guard_appear(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	g->present = true;
	g->failures = 0;
	set_why(g, NULL);
	schedule_begin(schedule_of(g), &g->schedule, now_ms,
		       g->checkpoint ? g->taken_ms : SCHEDULE_NEVER);
	move(g, GUARD_WATCHING, n->event, now_ms, "every %" PRId64 " ms", g->terms.interval_ms);
}

void guard_queue(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	schedule_queue(schedule_of(g), &g->schedule, g->schedule.at_ms);
	move(g, GUARD_WAITING, n->event, now_ms, NULL);
}

void guard_hurry(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	schedule_arm(schedule_of(g), &g->schedule, now_ms);
	guard_queue(g, n, now_ms);
}

void guard_rearm(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	(void)n;
	if (g->schedule.where != SCHEDULE_IDLE)
		return; /* the interval is the same */
	if (g->state == GUARD_WAITING)
		schedule_queue(schedule_of(g), &g->schedule, g->schedule.at_ms);
	else if (g->state == GUARD_WATCHING)
		schedule_begin(schedule_of(g), &g->schedule, now_ms,
			       g->checkpoint ? g->taken_ms : SCHEDULE_NEVER);
	else
		schedule_arm(schedule_of(g), &g->schedule, g->schedule.at_ms);
}

/* ---- captures ----------------------------------------------------------------------------- */

static int64_t back_off_ms(unsigned failures)
{
	int64_t ms = GUARD_BACKOFF_FIRST_MS;

	while (--failures && ms < GUARD_BACKOFF_MAX_MS)
		ms *= 2;
	return ms < GUARD_BACKOFF_MAX_MS ? ms : GUARD_BACKOFF_MAX_MS;
}

/* Another failure in a row: the timer is set for the next attempt. */
static int64_t back_off(struct guard *g, const char *why, int64_t now_ms)
{
	int64_t ms = back_off_ms(++g->failures);

	set_why(g, why);
	schedule_arm(schedule_of(g), &g->schedule, now_ms + ms);
	return ms;
}

void guard_begin_capture(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	struct guard_sink *sink = g->guards->sink;
	struct fault f = {0};

	move(g, GUARD_CAPTURING, n->event, now_ms, NULL);
	if (sink->ops->capture(sink, g, &f) < 0)
		guard_fail(g, &(struct guard_news){.event = GUARD_CAPTURE_FAILED, .why = f.text},
			   now_ms);
}

static void note_checkpoint(struct guard *g, const struct guard_news *n)
{
	g->checkpoint = n->checkpoint;
	g->taken_ms = g->schedule.started_ms;
	g->captures++;
	g->failures = 0;
	schedule_over(schedule_of(g), &g->schedule, true);
}

void guard_take_checkpoint(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	note_checkpoint(g, n);
	set_why(g, NULL);
	schedule_arm_next(schedule_of(g), &g->schedule, now_ms);
	move(g, GUARD_WATCHING, n->event, now_ms, "checkpoint %" PRIu64, g->checkpoint);
}

void guard_fail(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	schedule_over(schedule_of(g), &g->schedule, false);
	g->captures_failed++;
	int64_t ms = back_off(g, n->why, now_ms);
	move(g, GUARD_FAILING, n->event, now_ms, "again in %" PRId64 " s: %s", ms / 1000, g->why);
}

void guard_refuse(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	int64_t ms =
		g->terms.interval_ms < GUARD_REFUSED_MS ? g->terms.interval_ms : GUARD_REFUSED_MS;

	schedule_over(schedule_of(g), &g->schedule, false);
	g->captures_refused++;
	set_why(g, n->why);
	schedule_arm(schedule_of(g), &g->schedule, now_ms + ms);
	move(g, GUARD_REFUSED, n->event, now_ms, "%s", g->why);
}

/* ---- it ends ------------------------------------------------------------------------------ */

static void end_idle(struct guard *g)
{
	g->present = false;
	schedule_disarm(schedule_of(g), &g->schedule);
}

void guard_stop(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	end_idle(g);
	set_why(g, guard_event_name(n->event));
	move(g, GUARD_STOPPED, n->event, now_ms, "%s", g->why);
}

void guard_go_away(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	end_idle(g);
	set_why(g, NULL);
	move(g, GUARD_ABSENT, n->event, now_ms, "%s", guard_event_name(n->event));
}

void guard_leave(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	schedule_remove(schedule_of(g), &g->schedule);
	move(g, GUARD_UNPROTECTED, n->event, now_ms, NULL);
}

void guard_note_end(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	(void)n, (void)now_ms;
	g->present = false;
}

/* ---- it goes on --------------------------------------------------------------------------- */

static unsigned restarts_within(const struct guard *g, int64_t now_ms)
{
	unsigned count = 0;

	for (uint64_t i = 0; i < GUARD_RESTARTS_MAX && i < g->restarts; i++)
		count += now_ms - g->restarted_ms[i] < g->terms.restart_window_ms;
	return count;
}

static void note_restart(struct guard *g, int64_t now_ms)
{
	g->restarted_ms[g->restarts++ % GUARD_RESTARTS_MAX] = now_ms;
}

/* Why it has to stay down, into `why`; false: it may go on. The one place that decides it. */
static bool must_stay_down(const struct guard *g, int64_t now_ms, char why[GUARD_WHY_BYTES])
{
	const struct guard_terms *t = &g->terms;
	unsigned restarts = restarts_within(g, now_ms);

	why[0] = '\0';
	if (t->on_failure == GUARD_MANUAL)
		snprintf(why, GUARD_WHY_BYTES, "its policy says that a person restarts it");
	else if (t->on_failure == GUARD_RESUME && !g->checkpoint)
		snprintf(why, GUARD_WHY_BYTES, "it has no checkpoint to go on from; start it");
	else if (restarts >= t->restart_limit)
		snprintf(why, GUARD_WHY_BYTES,
			 "restarted %u times within %" PRId64
			 " s, its policy allows %u; see why it "
			 "dies, then start it",
			 restarts, t->restart_window_ms / 1000, t->restart_limit);
	return why[0] != '\0';
}

static void go_down(struct guard *g, enum guard_event event, int64_t now_ms, const char *why)
{
	schedule_disarm(schedule_of(g), &g->schedule);
	set_why(g, why);
	move(g, GUARD_DOWN, event, now_ms, "%s", g->why);
}

/* From GUARD_LOST. */
static void go_on(struct guard *g, enum guard_on_failure how, enum guard_event event,
		  int64_t now_ms)
{
	struct guard_sink *sink = g->guards->sink;
	bool boots = how == GUARD_REBOOT;
	struct fault f = {0};

	schedule_disarm(schedule_of(g), &g->schedule);
	g->ended = GUARD_EVENTS;
	move(g, GUARD_CONTINUING, event, now_ms, boots ? "boots" : "checkpoint %" PRIu64,
	     g->checkpoint);
	if (sink->ops->restore(sink, g, how, &f) < 0)
		guard_not_continued(
			g, &(struct guard_news){.event = GUARD_RESTORE_FAILED, .why = f.text},
			now_ms);
}

void guard_lose(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	char why[GUARD_WHY_BYTES];

	end_idle(g);
	g->failures = 0;
	if (must_stay_down(g, now_ms, why)) {
		go_down(g, n->event, now_ms, why);
		return;
	}
	set_why(g, n->why ? n->why : "its QEMU died");
	move(g, GUARD_LOST, n->event, now_ms, "%s", g->why);
	go_on(g, g->terms.on_failure, n->event, now_ms);
}

/*
 * It may run again: the user's doing, as a restore that cleans up would have ended it by now. Only
 * then it is watched, else the end of what a failed restore leaves would look like a user's.
 */
void guard_try_again(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	char why[GUARD_WHY_BYTES];

	if (g->present)
		guard_appear(g, n, now_ms);
	else if (must_stay_down(g, now_ms, why))
		go_down(g, n->event, now_ms, why);
	else
		go_on(g, g->terms.on_failure, n->event, now_ms);
}

/* Whatever its policy says: a person has looked at it. */
void guard_raise(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	if (!g->checkpoint)
		return; /* why it is down says that already, or is told by who asked */
	move(g, GUARD_LOST, n->event, now_ms, "asked to go on");
	go_on(g, GUARD_RESUME, n->event, now_ms);
}

void guard_note_start(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	(void)n;
	g->present = true;
	schedule_arm(schedule_of(g), &g->schedule, now_ms + GUARD_BACKOFF_FIRST_MS);
}

void guard_reconsider(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	char why[GUARD_WHY_BYTES];

	if (g->state == GUARD_LOST) {
		schedule_arm(schedule_of(g), &g->schedule,
			     g->present ? now_ms + GUARD_BACKOFF_FIRST_MS : now_ms);
		return;
	}
	if (must_stay_down(g, now_ms, why)) {
		set_why(g, why);
		return;
	}
	move(g, GUARD_LOST, n->event, now_ms, "its policy allows it now");
	go_on(g, g->terms.on_failure, n->event, now_ms);
}

void guard_find_restoring(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	move(g, GUARD_CONTINUING, n->event, now_ms, "its restore was under way already");
}

void guard_note_domain(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	(void)now_ms;
	g->present = n->event == GUARD_APPEARED;
	g->ended = g->present ? GUARD_EVENTS : n->event;
}

/* What follows where a guest's domain has ended. */
static enum guard_state state_after(enum guard_event event)
{
	switch (event) {
	case GUARD_SHUT_DOWN:
	case GUARD_DESTROYED:
	case GUARD_SAVED:
		return GUARD_STOPPED;
	case GUARD_MIGRATED:
		return GUARD_ABSENT;
	case GUARD_REMOVED:
		return GUARD_UNPROTECTED;
	case GUARD_DIED:
		return GUARD_LOST;
	default:
		return GUARD_WATCHING;
	}
}

static void go_to(struct guard *g, enum guard_state to, const struct guard_news *n, int64_t now_ms)
{
	static guard_step *const entry[GUARD_STATES] = {
		[GUARD_STOPPED] = guard_stop,	   [GUARD_ABSENT] = guard_go_away,
		[GUARD_UNPROTECTED] = guard_leave, [GUARD_LOST] = guard_lose,
		[GUARD_WATCHING] = guard_appear,
	};

	entry[to](g, n, now_ms);
}

void guard_continued(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	const struct guard_news ended = {.event = g->ended, .why = n->why};

	note_restart(g, now_ms);
	g->failures = 0;
	go_to(g, state_after(g->ended), g->ended == GUARD_EVENTS ? n : &ended, now_ms);
}

void guard_not_continued(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	if (n->ran) {
		note_restart(g, now_ms);
		guard_lose(g, n, now_ms);
		return;
	}
	int64_t ms = back_off(g, n->why, now_ms);
	move(g, GUARD_LOST, n->event, now_ms, "again in %" PRId64 " s: %s", ms / 1000, g->why);
}

/* ---- a job is under way ------------------------------------------------------------------- */

void guard_interrupt(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	if (n->event != GUARD_REMOVED)
		g->present = false;
	g->after = state_after(n->event);
	g->ended = n->event;
	move(g, GUARD_SETTLING, n->event, now_ms, "%s, its capture ends first",
	     guard_event_name(n->event));
	g->guards->sink->ops->stop_capture(g->guards->sink, g);
}

/* A restore is not stopped: the guest may run already, and needs its pages. */
void guard_release(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	g->after = GUARD_UNPROTECTED;
	g->ended = n->event;
	move(g, GUARD_SETTLING, n->event, now_ms, "%s, its restore ends first",
	     guard_event_name(n->event));
}

void guard_settle_differently(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	(void)now_ms;
	/* Nothing follows once it is unprotected; and what ended already does not end again. */
	bool again = n->event != GUARD_APPEARED && n->event != GUARD_REMOVED && !g->present;
	if (n->event != GUARD_REMOVED)
		g->present = n->event == GUARD_APPEARED;
	if (g->after == GUARD_UNPROTECTED || again)
		return;
	g->after = state_after(n->event);
	g->ended = n->event;
}

void guard_settle(struct guard *g, const struct guard_news *n, int64_t now_ms)
{
	const struct guard_news ended = {.event = g->ended};

	if (n->event == GUARD_CAPTURED)
		note_checkpoint(g, n);
	else if (g->schedule.where == SCHEDULE_RUNNING)
		schedule_over(schedule_of(g), &g->schedule, false);
	go_to(g, g->after, &ended, now_ms);
}
