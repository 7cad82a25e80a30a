/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { MANY = 1000, SECOND = 1000 };

static struct schedule *s;
static struct schedule_store store, other;
static struct schedule_guest guests[MANY];

static void begin(unsigned limit)
{
	struct fault f = {0};

	store = other = (struct schedule_store){0};
	ck_assert_int_eq(schedule_open(limit, &s, &f), 0);
}

static struct schedule_guest *add_to(int i, int64_t interval_ms, struct schedule_store *to)
{
	struct fault f = {0};

	ck_assert_int_eq(schedule_add(s, &guests[i], interval_ms, to, &f), 0);
	return &guests[i];
}

static struct schedule_guest *add(int i, int64_t interval_ms)
{
	return add_to(i, interval_ms, &store);
}

static void end(int count)
{
	for (int i = 0; i < count; i++)
		schedule_remove(s, &guests[i]);
	ck_assert_uint_eq(schedule_running(s), 0);
	ck_assert_uint_eq(schedule_waiting(s), 0);
	ck_assert_uint_eq(store.running + other.running, 0);
	ck_assert_int_eq(schedule_wake_ms(s), INT64_MAX);
	schedule_close(s);
}

static int by_time(const void *a, const void *b)
{
	int64_t left = ((const struct schedule_guest *)a)->at_ms;
	int64_t right = ((const struct schedule_guest *)b)->at_ms;

	return (left > right) - (left < right);
}

START_TEST(guests_of_one_moment_are_spread_over_the_interval)
{
	static struct schedule_guest sorted[MANY];

	begin(1);
	for (int i = 0; i < MANY; i++)
		schedule_begin(s, add(i, 10 * SECOND), 500, 500);
	memcpy(sorted, guests, sizeof(sorted));
	qsort(sorted, MANY, sizeof(sorted[0]), by_time);
	ck_assert_int_eq(sorted[0].at_ms, 500);
	ck_assert_int_lt(sorted[MANY - 1].at_ms, 500 + 10 * SECOND);
	for (int i = 1; i < MANY; i++) /* 10 ms each, if they could lie evenly */
		ck_assert_int_le(sorted[i].at_ms - sorted[i - 1].at_ms, 20);
	end(MANY);
}
END_TEST

START_TEST(one_without_a_checkpoint_is_due_at_once_and_spread_afterwards)
{
	begin(1);
	for (int i = 0; i < 2; i++) {
		schedule_begin(s, add(i, 3600 * SECOND), 500, SCHEDULE_NEVER);
		ck_assert_int_eq(guests[i].at_ms, 500);
	}
	for (int i = 0; i < 2; i++) {
		schedule_queue(s, schedule_expired(s, 500), 500);
		ck_assert_ptr_nonnull(schedule_grant(s, 500));
		schedule_over(s, &guests[i], true);
		schedule_arm_next(s, &guests[i], 2000);
	}
	ck_assert_int_ge(labs(guests[0].at_ms - guests[1].at_ms), 600 * SECOND);
	end(2);
}
END_TEST

START_TEST(timers_expire_in_their_order)
{
	int64_t last_ms = 0;
	int expired = 0;

	begin(1);
	srand(7);
	for (int i = 0; i < MANY; i++)
		schedule_arm(s, add(i, SECOND), rand() % 5000 + 1);
	for (int i = 0; i < MANY; i += 3) /* out of the middle, and in again */
		schedule_arm(s, &guests[i], rand() % 5000 + 1);
	for (int i = 0; i < MANY; i += 5)
		schedule_disarm(s, &guests[i]);
	for (int64_t now_ms; (now_ms = schedule_wake_ms(s)) != INT64_MAX; expired++) {
		ck_assert_ptr_null(schedule_expired(s, now_ms - 1));
		ck_assert_int_eq(schedule_expired(s, now_ms)->where, SCHEDULE_IDLE);
		ck_assert_int_ge(now_ms, last_ms);
		last_ms = now_ms;
	}
	ck_assert_int_eq(expired, MANY - MANY / 5);
	end(MANY);
}
END_TEST

START_TEST(the_most_late_one_relative_to_its_interval_is_first)
{
	begin(10);
	schedule_queue(s, add(0, 10 * SECOND), 1000); /* at 11000: one interval late */
	schedule_queue(s, add(1, 60 * SECOND), 0);    /* less than a fifth */
	schedule_queue(s, add(2, SECOND), 9000);      /* two */
	schedule_queue(s, add(3, 10 * SECOND), 2000);
	ck_assert_ptr_eq(schedule_grant(s, 11000), &guests[2]);
	ck_assert_ptr_eq(schedule_grant(s, 11000), &guests[0]);
	ck_assert_ptr_eq(schedule_grant(s, 11000), &guests[3]);
	ck_assert_ptr_eq(schedule_grant(s, 11000), &guests[1]);
	ck_assert_ptr_null(schedule_grant(s, 11000));
	end(4);
}
END_TEST

START_TEST(slots_are_limited_for_the_host_and_each_store)
{
	begin(3);
	store.limit = 1;
	for (int i = 0; i < 3; i++)
		schedule_queue(s, add(i, SECOND), 0);
	for (int i = 3; i < 6; i++)
		schedule_queue(s, add_to(i, SECOND, &other), 500);
	ck_assert_ptr_eq(schedule_grant(s, SECOND), &guests[0]);
	/* The store is full: those of the other one are not held up by who is more late. */
	struct schedule_guest *g = schedule_grant(s, SECOND);
	ck_assert_ptr_eq(g->store, &other);
	ck_assert_ptr_eq(schedule_grant(s, SECOND)->store, &other);
	ck_assert_ptr_null(schedule_grant(s, SECOND));
	schedule_over(s, g, true);
	ck_assert_ptr_eq(schedule_grant(s, SECOND)->store, &other);
	schedule_queue(s, g, 900);
	schedule_over(s, &guests[0], false);
	schedule_set_limit(s, 2);
	ck_assert_ptr_null(schedule_grant(s, SECOND));
	end(6);
}
END_TEST

/* Tick 1 is worked on until after tick 3: 2 is missed, 3 is due at once and no other. */
START_TEST(ticks_that_pass_are_missed_and_not_queued)
{
	begin(1);
	struct schedule_guest *g = add(0, SECOND);
	schedule_begin(s, g, 0, SCHEDULE_NEVER); /* the first grid begins at once */
	for (int i = 0; i < 2; i++) {
		int64_t now_ms = schedule_wake_ms(s);

		ck_assert_int_eq(now_ms, i * SECOND);
		schedule_queue(s, schedule_expired(s, now_ms), now_ms);
		schedule_grant(s, now_ms);
		schedule_over(s, g, true);
		schedule_arm_next(s, g, i ? 3300 : 100);
	}
	ck_assert_uint_eq(g->missed, 0);
	ck_assert_int_eq(schedule_wake_ms(s), 3000);
	schedule_queue(s, schedule_expired(s, 3300), 3000);
	schedule_grant(s, 3300);
	schedule_over(s, g, true);
	ck_assert_uint_eq(g->missed, 1);
	schedule_arm_next(s, g, 3400);
	ck_assert_int_eq(schedule_wake_ms(s), 4000);
	end(1);
}
END_TEST

START_TEST(one_without_a_checkpoint_is_counted_when_there_is_one)
{
	begin(1);
	struct schedule_guest *g = add(0, SECOND);
	schedule_begin(s, g, 0, SCHEDULE_NEVER);
	for (int64_t now_ms = 0; now_ms < 5000; now_ms += SECOND) {
		schedule_queue(s, g, now_ms);
		schedule_grant(s, now_ms);
		schedule_over(s, g, now_ms == 0 || now_ms == 4000);
	}
	ck_assert_uint_eq(g->missed, 3);
	end(1);
}
END_TEST

START_TEST(who_has_an_old_checkpoint_is_due_earlier)
{
	begin(1);
	add(1, SECOND); /* has the grid that begins at once */
	schedule_begin(s, &guests[1], 0, SCHEDULE_NEVER);
	schedule_disarm(s, &guests[1]);
	struct schedule_guest *g = add(0, 10 * SECOND);
	schedule_begin(s, g, 100 * SECOND, 99 * SECOND);
	ck_assert_int_gt(g->at_ms, 100 * SECOND);
	ck_assert_int_le(g->at_ms, 109 * SECOND);
	schedule_begin(s, g, 100 * SECOND, 20 * SECOND);
	ck_assert_int_eq(g->at_ms, 100 * SECOND);
	end(2);
}
END_TEST

START_TEST(another_interval_holds_from_the_next_tick)
{
	struct fault f = {0};

	begin(1);
	struct schedule_guest *g = add(0, 60 * SECOND);
	schedule_queue(s, g, 0);
	schedule_grant(s, 1000);
	ck_assert_int_eq(schedule_change(s, g, SECOND, &f), 0);
	schedule_over(s, g, true);
	schedule_arm_next(s, g, 1100);
	ck_assert_int_gt(g->at_ms, 1000);
	ck_assert_int_le(g->at_ms, 2000);
	schedule_disarm(s, g);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(schedule_change(s, g, SECOND + i, &f), 0);
	end(1);
}
END_TEST

/* Twice as much to do as can be done: each is served in proportion to its interval. */
START_TEST(nobody_starves_where_there_is_too_much_to_do)
{
	enum { GUESTS = 20, BUSY_MS = 200 };
	int served[GUESTS] = {0};

	begin(1);
	for (int i = 0; i < GUESTS; i++)
		schedule_begin(s, add(i, i % 2 ? 4 * SECOND : SECOND), 0, SCHEDULE_NEVER);
	for (int64_t now_ms = 0; now_ms < 1000 * SECOND; now_ms += BUSY_MS) {
		struct schedule_guest *g;

		while ((g = schedule_expired(s, now_ms)))
			schedule_queue(s, g, g->at_ms);
		g = schedule_grant(s, now_ms);
		if (!g)
			continue;
		served[g - guests]++;
		schedule_over(s, g, true);
		schedule_arm_next(s, g, now_ms + BUSY_MS);
	}
	for (int i = 2; i < GUESTS; i++) {
		ck_assert_int_gt(served[i], 0);
		ck_assert_int_le(abs(served[i] - served[i % 2]), served[i % 2] / 10);
	}
	ck_assert_int_gt(served[0], 2 * served[1]);
	ck_assert_int_lt(served[0], 5 * served[1]);
	end(GUESTS);
}
END_TEST

UNIT_MAIN("schedule", guests_of_one_moment_are_spread_over_the_interval,
	  one_without_a_checkpoint_is_due_at_once_and_spread_afterwards,
	  timers_expire_in_their_order, the_most_late_one_relative_to_its_interval_is_first,
	  slots_are_limited_for_the_host_and_each_store, ticks_that_pass_are_missed_and_not_queued,
	  one_without_a_checkpoint_is_counted_when_there_is_one,
	  who_has_an_old_checkpoint_is_due_earlier, another_interval_holds_from_the_next_tick,
	  nobody_starves_where_there_is_too_much_to_do)
