/* SPDX-License-Identifier: LGPL-2.1-or-later */
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

static int capture(struct guard_sink *sink, struct guard *g, struct fault *f)
{
	(void)sink, (void)g;
	captures++;
	return capture_error ? fault_set(f, capture_error, "no thread") : 0;
}

static void stop_capture(struct guard_sink *sink, struct guard *g)
{
	(void)sink, (void)g;
	stops++;
}

static int restore(struct guard_sink *sink, struct guard *g, enum guard_on_failure told,
		   struct fault *f)
{
	(void)sink, (void)g;
	restores++;
	how = told;
	return restore_error ? fault_set(f, restore_error, "no thread") : 0;
}

static void moved(struct guard_sink *sink, struct guard *g, const struct guard_transition *t)
{
	char line[GUARD_LINE_BYTES];

	(void)sink;
	guard_line(g, t, line);
	size_t used = strlen(lines);
	snprintf(lines + used, sizeof(lines) - used, "%s\n", line + strlen("guest=web "));
}

static void unexpected(struct guard_sink *sink, const struct guard *g, enum guard_event event)
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

static void begin_with(const struct guard_terms *terms)
{
	struct fault f = {0};

	now_ms = 1000 * SECOND;
	captures = restores = stops = surprises = capture_error = restore_error = 0;
	store = (struct schedule_store){0};
	lines[0] = '\0';
	ck_assert_int_eq(guards_open(&sink, 1, &guards, &f), 0);
	ck_assert_int_eq(guard_add(guards, &web, "web", terms, &store, now_ms, &f), 0);
}

static void tell_all(struct guard_news n)
{
	guard_tell(&web, &n, now_ms);
}

#define TELL(...) tell_all((struct guard_news){__VA_ARGS__})

/* To the next timer, which has to be at most so far away. */
static void wait_at_most(int64_t ms)
{
	int64_t at_ms = guards_wake_ms(guards);

	ck_assert_int_le(at_ms, now_ms + ms);
	now_ms = at_ms > now_ms ? at_ms : now_ms;
	guards_step(guards, now_ms);
}

static void end(void)
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

static void begin_watching(void)
{
	begin_with(&usual);
	TELL(GUARD_APPEARED);
	ck_assert_int_eq(web.state, GUARD_WATCHING);
}

static void begin_capturing(void)
{
	begin_watching();
	wait_at_most(10 * SECOND);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
}

static void begin_with_checkpoint(void)
{
	begin_capturing();
	TELL(GUARD_CAPTURED, .checkpoint = 42);
	lines[0] = '\0';
}

START_TEST(a_guest_that_appears_is_captured_again_and_again)
{
	begin_with(&usual);
	ck_assert_int_eq(guard_age_ms(&web, now_ms), -1);
	TELL(GUARD_APPEARED);
	LINES("absent -> watching (every 10000 ms)\n");
	for (uint64_t i = 1; i <= 3; i++) {
		char expected[256];

		wait_at_most(10 * SECOND);
		now_ms += 300;
		TELL(GUARD_CAPTURED, .checkpoint = i);
		snprintf(expected, sizeof(expected),
			 "watching -> waiting\n"
			 "waiting -> capturing\n"
			 "capturing -> watching (checkpoint %" PRIu64 ")\n",
			 i);
		LINES(expected);
		ck_assert_int_eq(guard_age_ms(&web, now_ms), 300);
	}
	ck_assert_uint_eq(web.schedule.missed, 0);
	ck_assert_uint_eq(web.captures, 3);
	end();
	LINES("watching -> unprotected\n");
}
END_TEST

START_TEST(a_failed_capture_is_repeated_ever_more_rarely)
{
	const int64_t expected_s[] = {1, 2, 4, 8, 16, 32, 60, 60};

	begin_capturing();
	for (size_t i = 0; i < sizeof(expected_s) / sizeof(expected_s[0]); i++) {
		TELL(GUARD_CAPTURE_FAILED, .why = "the store is full");
		ck_assert_int_eq(guards_wake_ms(guards), now_ms + expected_s[i] * SECOND);
		ck_assert_str_eq(web.why, "the store is full");
		wait_at_most(MINUTE);
	}
	TELL(GUARD_CAPTURED, .checkpoint = 1);
	wait_at_most(10 * SECOND);
	lines[0] = '\0';
	TELL(GUARD_CAPTURE_FAILED, .why = "x");
	LINES("capturing -> failing (again in 1 s: x)\n");
	end();
}
END_TEST

START_TEST(a_capture_that_cannot_begin_has_failed)
{
	begin_watching();
	capture_error = -EAGAIN;
	wait_at_most(10 * SECOND);
	ck_assert_int_eq(web.state, GUARD_FAILING);
	ck_assert_str_eq(web.why, "no thread");
	ck_assert_uint_eq(guards_capturing(guards), 0);
	end();
}
END_TEST

START_TEST(a_refused_capture_is_no_failure)
{
	begin_capturing();
	lines[0] = '\0';
	TELL(GUARD_CAPTURE_REFUSED, .why = "it is paused");
	LINES("capturing -> refused (it is paused)\n");
	ck_assert_uint_eq(web.captures_failed, 0);
	wait_at_most(10 * SECOND);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	end();
}
END_TEST

START_TEST(what_its_user_ends_is_no_outage)
{
	const enum guard_event ends[] = {GUARD_SHUT_DOWN, GUARD_DESTROYED, GUARD_SAVED};

	begin_with_checkpoint();
	for (int i = 0; i < 3; i++) {
		TELL(ends[i]);
		ck_assert_int_eq(web.state, GUARD_STOPPED);
		ck_assert_str_eq(web.why, guard_event_name(ends[i]));
		ck_assert_int_eq(guards_wake_ms(guards), INT64_MAX);
		TELL(GUARD_APPEARED);
		ck_assert_int_eq(web.state, GUARD_WATCHING);
	}
	TELL(GUARD_MIGRATED);
	ck_assert_int_eq(web.state, GUARD_ABSENT);
	ck_assert_int_eq(restores, 0);
	end();
}
END_TEST

START_TEST(a_guest_whose_qemu_died_goes_on)
{
	begin_with_checkpoint();
	TELL(GUARD_DIED);
	LINES("watching -> lost (its QEMU died)\nlost -> continuing (checkpoint 42)\n");
	ck_assert_int_eq(how, GUARD_RESUME);
	TELL(GUARD_APPEARED);
	TELL(GUARD_RESTORED);
	LINES("continuing -> watching (every 10000 ms)\n");
	wait_at_most(10 * SECOND);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	end();
}
END_TEST

START_TEST(it_goes_on_only_when_its_capture_is_over)
{
	begin_with_checkpoint();
	wait_at_most(10 * SECOND);
	lines[0] = '\0';
	TELL(GUARD_DIED);
	LINES("capturing -> settling (died, its capture ends first)\n");
	ck_assert_int_eq(stops, 1);
	ck_assert_int_eq(restores, 0);
	TELL(GUARD_CAPTURED, .checkpoint = 43); /* it was that far already */
	LINES("settling -> lost (its QEMU died)\nlost -> continuing (checkpoint 43)\n");
	ck_assert_int_eq(restores, 1);
	end();
}
END_TEST

START_TEST(what_happens_last_while_settling_counts)
{
	begin_with_checkpoint();
	wait_at_most(10 * SECOND);
	TELL(GUARD_SHUT_DOWN);
	TELL(GUARD_DIED); /* of a domain that was gone: nothing new */
	TELL(GUARD_APPEARED);
	lines[0] = '\0';
	TELL(GUARD_CAPTURE_FAILED);
	LINES("settling -> watching (every 10000 ms)\n");
	wait_at_most(10 * SECOND);
	TELL(GUARD_SHUT_DOWN);
	TELL(GUARD_DIED);
	TELL(GUARD_CAPTURE_FAILED);
	ck_assert_int_eq(web.state, GUARD_STOPPED);
	ck_assert_int_eq(restores, 0);
	end();
}
END_TEST

START_TEST(it_is_left_down_when_restarted_too_often)
{
	struct guard_terms more = usual;
	struct fault f = {0};

	begin_with_checkpoint();
	for (int i = 0; i < 2; i++) {
		TELL(GUARD_DIED);
		TELL(GUARD_RESTORED);
		now_ms += MINUTE;
	}
	lines[0] = '\0';
	TELL(GUARD_DIED);
	LINES("watching -> down (restarted 2 times within 600 s, its policy allows 2; see why it "
	      "dies, then start it)\n");
	ck_assert_int_eq(restores, 2);
	more.restart_limit = 3;
	ck_assert_int_eq(guard_change(&web, &more, now_ms, &f), 0);
	LINES("down -> lost (its policy allows it now)\nlost -> continuing (checkpoint 42)\n");
	TELL(GUARD_RESTORED);
	now_ms += 10 * MINUTE; /* the window is over */
	TELL(GUARD_DIED);
	ck_assert_int_eq(web.state, GUARD_CONTINUING);
	end();
}
END_TEST

START_TEST(who_asks_need_not_wait_for_the_timer)
{
	begin_watching();
	ck_assert(guard_can_be_asked(&web));
	TELL(GUARD_ASKED);
	guards_step(guards, now_ms);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	ck_assert(!guard_can_be_asked(&web));
	TELL(GUARD_CAPTURE_FAILED, .why = "full");
	ck_assert_int_eq(web.state, GUARD_FAILING);
	TELL(GUARD_ASKED);
	guards_step(guards, now_ms);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	TELL(GUARD_CAPTURED, .checkpoint = 43);
	ck_assert_int_eq(captures, 2);
	end();
}
END_TEST

START_TEST(who_asks_gets_a_guest_up_that_its_policy_leaves_down)
{
	struct guard_terms manual = usual;

	manual.on_failure = GUARD_MANUAL;
	begin_with(&manual);
	TELL(GUARD_APPEARED);
	TELL(GUARD_DIED);
	TELL(GUARD_ASKED); /* from nothing */
	ck_assert_int_eq(web.state, GUARD_DOWN);
	guard_found(&web, 42, now_ms);
	TELL(GUARD_ASKED);
	ck_assert_int_eq(how, GUARD_RESUME);
	TELL(GUARD_RESTORE_FAILED, .why = "full");
	ck_assert_int_eq(web.state, GUARD_LOST);
	wait_at_most(SECOND); /* nobody asks again: it stays with the policy */
	ck_assert_int_eq(web.state, GUARD_DOWN);
	ck_assert_int_eq(restores, 1);
	end();
}
END_TEST

START_TEST(a_guest_that_ran_in_a_failed_restore_was_restarted)
{
	begin_with_checkpoint();
	TELL(GUARD_DIED);
	TELL(GUARD_RESTORE_FAILED, .ran = true, .why = "QEMU died");
	ck_assert_int_eq(web.state, GUARD_CONTINUING);
	TELL(GUARD_RESTORE_FAILED, .ran = true, .why = "QEMU died");
	ck_assert_int_eq(web.state, GUARD_DOWN);
	ck_assert_int_eq(restores, 2);
	TELL(GUARD_APPEARED); /* somebody started it */
	ck_assert_int_eq(web.state, GUARD_WATCHING);
	end();
}
END_TEST

START_TEST(a_restore_that_does_not_get_that_far_is_repeated)
{
	begin_with_checkpoint();
	restore_error = -EAGAIN;
	TELL(GUARD_DIED);
	ck_assert_int_eq(web.state, GUARD_LOST);
	restore_error = 0;
	for (int i = 1; i < 10; i++) {
		wait_at_most(MINUTE);
		ck_assert_int_eq(web.state, GUARD_CONTINUING);
		/* Its domain comes and goes, which is told late. */
		TELL(GUARD_APPEARED);
		TELL(GUARD_RESTORE_FAILED, .why = "the store is away");
		TELL(GUARD_DESTROYED);
		ck_assert_int_eq(web.state, GUARD_LOST);
	}
	ck_assert_int_eq(guards_wake_ms(guards), now_ms + MINUTE);
	ck_assert_uint_eq(web.restarts, 0);
	end();
}
END_TEST

START_TEST(somebody_else_may_start_it_while_it_is_lost)
{
	begin_with_checkpoint();
	TELL(GUARD_DIED);
	TELL(GUARD_RESTORE_FAILED, .why = "the store is away");
	TELL(GUARD_APPEARED);
	wait_at_most(SECOND);
	ck_assert_int_eq(web.state, GUARD_WATCHING);
	ck_assert_int_eq(restores, 1);
	end();
}
END_TEST

START_TEST(how_it_ended_while_continuing_decides_what_follows)
{
	begin_with_checkpoint();
	TELL(GUARD_DIED);
	TELL(GUARD_APPEARED);
	TELL(GUARD_SHUT_DOWN);
	TELL(GUARD_RESTORED);
	ck_assert_int_eq(web.state, GUARD_STOPPED);
	TELL(GUARD_APPEARED);
	TELL(GUARD_DIED);
	TELL(GUARD_APPEARED);
	TELL(GUARD_DIED);
	TELL(GUARD_RESTORED);
	ck_assert_int_eq(web.state, GUARD_DOWN); /* two restarts */
	end();
}
END_TEST

START_TEST(its_policy_says_what_an_outage_means)
{
	struct guard_terms terms = usual;

	terms.on_failure = GUARD_MANUAL;
	begin_with(&terms);
	TELL(GUARD_APPEARED);
	lines[0] = '\0';
	TELL(GUARD_DIED);
	LINES("watching -> down (its policy says that a person restarts it)\n");
	end();
	terms.on_failure = GUARD_REBOOT;
	begin_with(&terms);
	TELL(GUARD_DIED); /* before the daemon was there */
	ck_assert_int_eq(how, GUARD_REBOOT);
	LINES("absent -> lost (its QEMU died)\nlost -> continuing (boots)\n");
	end();
	begin_with(&usual);
	TELL(GUARD_APPEARED);
	lines[0] = '\0';
	TELL(GUARD_DIED);
	LINES("watching -> down (it has no checkpoint to go on from; start it)\n");
	end();
}
END_TEST

START_TEST(unprotecting_lets_a_job_end_first)
{
	begin_with_checkpoint();
	wait_at_most(10 * SECOND);
	TELL(GUARD_REMOVED);
	ck_assert_int_eq(stops, 1);
	TELL(GUARD_DIED); /* nobody's business any more */
	TELL(GUARD_CAPTURED, .checkpoint = 43);
	ck_assert_int_eq(web.state, GUARD_UNPROTECTED);
	end();
	begin_with_checkpoint();
	TELL(GUARD_DIED);
	TELL(GUARD_REMOVED);
	ck_assert_int_eq(web.state, GUARD_SETTLING);
	ck_assert_int_eq(stops, 0); /* the guest may run, and needs its pages */
	TELL(GUARD_APPEARED);
	TELL(GUARD_RESTORED);
	ck_assert_int_eq(web.state, GUARD_UNPROTECTED);
	ck_assert_int_eq(restores, 1);
	end();
}
END_TEST

START_TEST(another_interval_holds_at_once)
{
	struct guard_terms terms = usual;
	struct fault f = {0};

	terms.interval_ms = 24 * 60 * MINUTE;
	begin_with(&terms);
	TELL(GUARD_APPEARED);
	wait_at_most(terms.interval_ms);
	TELL(GUARD_CAPTURED, .checkpoint = 1);
	terms.interval_ms = SECOND;
	ck_assert_int_eq(guard_change(&web, &terms, now_ms, &f), 0);
	wait_at_most(SECOND);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	TELL(GUARD_CAPTURE_FAILED);
	terms.interval_ms = 3 * SECOND;
	ck_assert_int_eq(guard_change(&web, &terms, now_ms, &f), 0);
	wait_at_most(SECOND); /* the back-off holds */
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	terms.interval_ms = 0;
	ck_assert_int_eq(guard_change(&web, &terms, now_ms, &f), -EINVAL);
	ck_assert_int_eq(web.terms.interval_ms, 3 * SECOND);
	end();
}
END_TEST

START_TEST(a_daemon_that_starts_anew_goes_on_where_it_was)
{
	begin_with(&usual);
	guard_found(&web, 41, now_ms - 25 * SECOND);
	ck_assert_int_eq(guard_age_ms(&web, now_ms), 25 * SECOND);
	TELL(GUARD_APPEARED);
	wait_at_most(0);
	ck_assert_int_eq(web.state, GUARD_CAPTURING);
	end();
}
END_TEST

START_TEST(an_event_that_must_not_happen_changes_nothing)
{
	begin_watching();
	lines[0] = '\0';
	TELL(GUARD_CAPTURED, .checkpoint = 7);
	LINES("");
	ck_assert_int_eq(surprises, 1);
	ck_assert_uint_eq(web.checkpoint, 0);
	surprises = 0;
	end();
}
END_TEST

/* What comes from outside may come at any time; only completions belong to a job. */
START_TEST(the_table_has_a_step_for_all_that_comes_from_outside)
{
	for (int state = 0; state < GUARD_UNPROTECTED; state++)
		for (int event = 0; event <= GUARD_REMOVED; event++)
			ck_assert_msg(guard_step_for(state, event), "%s, %s",
				      guard_state_name(state), guard_event_name(event));
}
END_TEST

UNIT_MAIN("guard", a_guest_that_appears_is_captured_again_and_again,
	  a_failed_capture_is_repeated_ever_more_rarely, a_capture_that_cannot_begin_has_failed,
	  a_refused_capture_is_no_failure, what_its_user_ends_is_no_outage,
	  a_guest_whose_qemu_died_goes_on, it_goes_on_only_when_its_capture_is_over,
	  what_happens_last_while_settling_counts, it_is_left_down_when_restarted_too_often,
	  who_asks_need_not_wait_for_the_timer,
	  who_asks_gets_a_guest_up_that_its_policy_leaves_down,
	  a_guest_that_ran_in_a_failed_restore_was_restarted,
	  a_restore_that_does_not_get_that_far_is_repeated,
	  somebody_else_may_start_it_while_it_is_lost,
	  how_it_ended_while_continuing_decides_what_follows, its_policy_says_what_an_outage_means,
	  unprotecting_lets_a_job_end_first, another_interval_holds_at_once,
	  a_daemon_that_starts_anew_goes_on_where_it_was,
	  an_event_that_must_not_happen_changes_nothing,
	  the_table_has_a_step_for_all_that_comes_from_outside)
