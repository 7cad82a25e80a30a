/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One guest, `web`, whose jobs end when the test says so, and a clock that the test moves. */
#pragma once

#include "vmguard/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "guard/steps.h"
#include "unit.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static struct guards *guards;
static struct schedule_store store;
static struct guard web;
static int64_t now_ms;
static char lines[4096]; /* since lines_clear() */
static int captures, restores, stops, surprises;
static int capture_error, restore_error;
static enum guard_on_failure how;

static inline int capture(struct guard_sink *sink, struct guard *g, struct fault *f)
{
	(void)sink, (void)g;
	captures++;
	return capture_error ? fault_set(f, capture_error, "no thread") : 0;
}

static inline void stop_capture(struct guard_sink *sink, struct guard *g)
{
	(void)sink, (void)g;
	stops++;
}

static inline int restore(struct guard_sink *sink, struct guard *g, enum guard_on_failure told,
			  struct fault *f)
{
	(void)sink, (void)g;
	restores++;
	how = told;
	return restore_error ? fault_set(f, restore_error, "no thread") : 0;
}

static inline void moved(struct guard_sink *sink, struct guard *g, const struct guard_transition *t)
{
	char line[GUARD_LINE_BYTES];

	(void)sink;
	guard_line(g, t, line);
	size_t used = strlen(lines);
	snprintf(lines + used, sizeof(lines) - used, "%s\n", line + strlen("guest=web "));
}

static inline void unexpected(struct guard_sink *sink, const struct guard *g,
			      enum guard_event event)
{
	(void)sink, (void)g, (void)event;
	surprises++;
}

static const struct guard_ops ops = {"test", capture, stop_capture, restore, moved, unexpected};
static struct guard_sink sink = {&ops};

static const struct guard_terms usual = {.interval_ms = 10 * SECOND,
					 .on_failure = GUARD_RESUME,
					 .restart_limit = 2,
					 .restart_window_ms = 10 * MINUTE};

/* What happened since the last call, a line each. */
#define LINES(expected)                            \
	do {                                       \
		ck_assert_str_eq(lines, expected); \
		lines[0] = '\0';                   \
	} while (0)

static inline void begin_with(const struct guard_terms *terms)
{
	struct fault f = {0};

	now_ms = 1000 * SECOND;
	captures = restores = stops = surprises = capture_error = restore_error = 0;
	store = (struct schedule_store){0};
	lines[0] = '\0';
	ck_assert_int_eq(guards_open(&sink, 1, &guards, &f), 0);
	ck_assert_int_eq(guard_add(guards, &web, "web", terms, &store, now_ms, &f), 0);
}

static inline void tell_all(struct guard_news n)
{
	guard_tell(&web, &n, now_ms);
}

#define TELL(...) tell_all((struct guard_news){__VA_ARGS__})

/* To the next timer, which has to be at most so far away. */
static inline void wait_at_most(int64_t ms)
{
	int64_t at_ms = guards_wake_ms(guards);

	ck_assert_int_le(at_ms, now_ms + ms);
	now_ms = at_ms > now_ms ? at_ms : now_ms;
	guards_step(guards, now_ms);
}

static inline void end(void)
{
	if (web.state != GUARD_UNPROTECTED)
		TELL(GUARD_REMOVED);
	if (web.state == GUARD_SETTLING)
		TELL(web.schedule.where == SCHEDULE_RUNNING ? GUARD_CAPTURE_FAILED
							    : GUARD_RESTORED);
	ck_assert_int_eq(web.state, GUARD_UNPROTECTED);
	ck_assert_uint_eq(guards_capturing(guards) + guards_waiting(guards), 0);
	ck_assert_int_eq(guards_wake_ms(guards), INT64_MAX);
	ck_assert_int_eq(surprises, 0);
	guards_close(guards);
}

static inline void begin_watching(void)
{
	begin_with(&usual);
	TELL(GUARD_APPEARED);
	ck_assert_int_eq(web.state, GUARD_WATCHING);
}

static inline void begin_capturing(void)
{
	begin_watching();
	wait_at_most(10 * SECOND);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
}

static inline void begin_with_checkpoint(void)
{
	begin_capturing();
	TELL(GUARD_CAPTURED, .checkpoint = 42);
	lines[0] = '\0';
}
