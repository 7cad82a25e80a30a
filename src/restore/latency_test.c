/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restore/latency.h"

#include "unit.h"

START_TEST(knows_percentiles_to_six_percent)
{
	struct latency l = {0};

	ck_assert_int_eq(latency_percentile(&l, 50), 0);
	for (int64_t us = 1; us <= 1000000; us++)
		latency_add(&l, us);
	for (int percent = 1; percent < 100; percent++) {
		int64_t exact = 10000 * percent;
		int64_t found = latency_percentile(&l, percent);

		ck_assert(found <= exact && found >= exact - exact / 16 - 1);
	}
}
END_TEST

START_TEST(holds_small_and_huge_ones)
{
	for (int64_t us = 0; us < 2 * LATENCY_STEPS; us++)
		ck_assert_int_eq(latency_of_bucket(latency_bucket(us)), us);
	for (int bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
		ck_assert_int_eq(latency_bucket(latency_of_bucket(bucket)), bucket);
	ck_assert_int_eq(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
}
END_TEST

START_TEST(counts_a_step_back_of_the_clock_as_nothing)
{
	struct latency l = {0};

	latency_add(&l, -5);
	ck_assert_uint_eq(l.count, 1);
	ck_assert_int_eq(latency_percentile(&l, 99), 0);
}
END_TEST

UNIT_MAIN("latency", knows_percentiles_to_six_percent, holds_small_and_huge_ones,
	  counts_a_step_back_of_the_clock_as_nothing)
