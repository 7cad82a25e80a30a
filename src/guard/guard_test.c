/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard/guard_fixture.h"

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

START_TEST(a_restore_that_an_earlier_daemon_began_is_not_begun_again)
{
	begin_with(&usual);
	guard_found(&web, 42, now_ms - 5 * SECOND);
	TELL(GUARD_RESTORING);
	LINES("absent -> continuing (its restore was under way already)\n");
	TELL(GUARD_APPEARED); /* here, or before this daemon */
	TELL(GUARD_RESTORED);
	ck_assert_int_eq(web.state, GUARD_WATCHING);
	ck_assert_int_eq(restores, 0);
	ck_assert_uint_eq(web.restarts, 1);
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
	  what_happens_last_while_settling_counts, unprotecting_lets_a_job_end_first,
	  another_interval_holds_at_once, a_daemon_that_starts_anew_goes_on_where_it_was,
	  a_restore_that_an_earlier_daemon_began_is_not_begun_again,
	  an_event_that_must_not_happen_changes_nothing,
	  the_table_has_a_step_for_all_that_comes_from_outside)
