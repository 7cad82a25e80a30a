/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ticks.h"

#include "unit.h"

static struct ticks every_100 = {.first_ms = 5000, .every_ms = 100};

START_TEST(the_first_tick_is_due_at_once)
{
	struct ticks t = every_100;

	ck_assert_int_eq(ticks_wait_ms(&t, 5000), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5007), 0);
}
END_TEST

START_TEST(ticks_come_on_a_fixed_grid)
{
	struct ticks t = every_100;

	ck_assert_uint_eq(ticks_pass(&t, 5030), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5030), 70);
	ck_assert_int_eq(ticks_wait_ms(&t, 5100), 0);
	ck_assert_uint_eq(ticks_pass(&t, 5199), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5199), 1);
}
END_TEST

START_TEST(a_tick_that_comes_while_one_is_worked_on_is_missed)
{
	struct ticks t = every_100;

	ck_assert_uint_eq(ticks_pass(&t, 5101), 1);
	ck_assert_int_eq(ticks_wait_ms(&t, 5101), 99);
	ck_assert_uint_eq(ticks_pass(&t, 5550), 3); /* 3, 4 and 5 */
	ck_assert_int_eq(ticks_wait_ms(&t, 5550), 50);
}
END_TEST

START_TEST(a_tick_that_comes_just_when_the_work_ends_is_not_missed)
{
	struct ticks t = every_100;

	ck_assert_uint_eq(ticks_pass(&t, 5100), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5100), 0);
}
END_TEST

START_TEST(no_tick_comes_twice)
{
	struct ticks t = every_100;

	ck_assert_uint_eq(ticks_pass(&t, 5000), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5000), 100);
	ck_assert_uint_eq(ticks_pass(&t, 4900), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5000), 200);
}
END_TEST

START_TEST(a_machine_that_slept_for_a_day_does_not_catch_up)
{
	struct ticks t = every_100;
	int64_t day = 24 * 3600 * 1000;

	ck_assert_int_eq(ticks_wait_ms(&t, 5000 + day), 0);
	ck_assert_uint_eq(ticks_pass(&t, 5000 + day), day / 100 - 1);
	ck_assert_uint_eq(ticks_pass(&t, 5000 + day + 1), 0);
	ck_assert_int_eq(ticks_wait_ms(&t, 5000 + day + 1), 99);
}
END_TEST

UNIT_MAIN("ticks", the_first_tick_is_due_at_once, ticks_come_on_a_fixed_grid,
	  a_tick_that_comes_while_one_is_worked_on_is_missed,
	  a_tick_that_comes_just_when_the_work_ends_is_not_missed, no_tick_comes_twice,
	  a_machine_that_slept_for_a_day_does_not_catch_up)
