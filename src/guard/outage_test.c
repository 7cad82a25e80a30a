/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its QEMU died. */
#include "guard/guard_fixture.h"

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

UNIT_MAIN("outage", it_is_left_down_when_restarted_too_often, who_asks_need_not_wait_for_the_timer,
	  who_asks_gets_a_guest_up_that_its_policy_leaves_down,
	  a_guest_that_ran_in_a_failed_restore_was_restarted,
	  a_restore_that_does_not_get_that_far_is_repeated,
	  somebody_else_may_start_it_while_it_is_lost,
	  how_it_ended_while_continuing_decides_what_follows, its_policy_says_what_an_outage_means)
