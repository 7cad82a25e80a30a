/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/segments.h"

#include <errno.h>

#include "image/format.h"
#include "unit.h"

static struct fault fault;

static void add(struct segment_list *l, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		ck_assert_int_eq(segment_list_add(l, first + i, &fault), 0);
}

START_TEST(joins_segments_that_follow)
{
	struct segment_list l = {0};

	add(&l, 1, 3);
	add(&l, 9, 1);
	add(&l, 5, 2);
	ck_assert_uint_eq(l.count, 3);
	ck_assert_uint_eq(l.ranges[0].first, 1);
	ck_assert_uint_eq(l.ranges[0].count, 3);
	ck_assert_uint_eq(l.ranges[1].first, 9);
	ck_assert_uint_eq(l.ranges[2].first, 5);
	ck_assert_uint_eq(segment_list_count(&l), 6);
	segment_list_clear(&l);
	ck_assert_uint_eq(segment_list_count(&l), 0);
}
END_TEST

START_TEST(knows_what_is_in_a_list)
{
	struct segment_list l = {0};

	ck_assert(!segment_list_has(&l, 0));
	add(&l, 4, 3);
	add(&l, 1, 1);
	for (uint64_t segment = 0; segment < 10; segment++)
		ck_assert_int_eq(segment_list_has(&l, segment),
				 segment == 1 || (segment >= 4 && segment < 7));
	ck_assert(!segment_list_has(&l, UINT64_MAX));
	segment_list_clear(&l);
}
END_TEST

START_TEST(takes_the_lowest_free_segment_first)
{
	static const uint64_t expected[] = {0, 1, 5, 6, 8, 9};
	struct segment_list l = {0};
	struct segment_map m = {0};
	uint64_t segment;

	add(&l, 2, 3);
	add(&l, 7, 1);
	ck_assert_int_eq(segment_map_use_list(&m, &l, &fault), 0);
	ck_assert_uint_eq(m.used, 4);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		ck_assert_int_eq(segment_map_take(&m, &segment, &fault), 0);
		ck_assert_uint_eq(segment, expected[i]);
	}
	ck_assert_uint_eq(m.used, 10);
	segment_map_clear(&m);
	segment_list_clear(&l);
}
END_TEST

START_TEST(counts_a_segment_once)
{
	struct segment_map m = {0};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(segment_map_use(&m, 7, &fault), 0);
	ck_assert_uint_eq(m.used, 1);
	segment_map_clear(&m);
}
END_TEST

/* A map grows in steps that are not a multiple of 8: no segment may change at a step. */
START_TEST(keeps_what_is_used_while_it_grows)
{
	struct segment_map m = {0};
	uint64_t segment;

	for (uint64_t i = 0; i < 100000; i += 3)
		ck_assert_int_eq(segment_map_use(&m, i, &fault), 0);
	for (uint64_t i = 0; i < 60000; i++) {
		ck_assert_int_eq(segment_map_take(&m, &segment, &fault), 0);
		ck_assert_uint_eq(segment, i / 2 * 3 + 1 + i % 2);
	}
	segment_map_clear(&m);
}
END_TEST

START_TEST(copies_a_map_that_stays_as_it_is)
{
	struct segment_map from = {0};
	struct segment_map to = {0};
	uint64_t segment;

	ck_assert_int_eq(segment_map_copy(&to, &from, &fault), 0);
	ck_assert_int_eq(segment_map_use(&to, 3, &fault), 0);
	segment_map_clear(&to);
	ck_assert_int_eq(segment_map_use(&from, 1, &fault), 0);
	ck_assert_int_eq(segment_map_copy(&to, &from, &fault), 0);
	ck_assert_int_eq(segment_map_use(&to, 0, &fault), 0);
	ck_assert_int_eq(segment_map_take(&to, &segment, &fault), 0);
	ck_assert_uint_eq(segment, 2);
	ck_assert_int_eq(segment_map_take(&from, &segment, &fault), 0);
	ck_assert_uint_eq(segment, 0);
	segment_map_clear(&from);
	segment_map_clear(&to);
}
END_TEST

START_TEST(finds_every_free_range_to_the_open_end)
{
	static const struct segment_range expected[] = {{0, 2}, {3, 1}, {5, UINT64_MAX - 5}};
	struct segment_map m = {0};
	uint64_t from = 0;

	ck_assert_int_eq(segment_map_use(&m, 2, &fault), 0);
	ck_assert_int_eq(segment_map_use(&m, 4, &fault), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct segment_range range = segment_map_free_range(&m, from);

		ck_assert_uint_eq(range.first, expected[i].first);
		ck_assert_uint_eq(range.count, expected[i].count);
		from = range.first + range.count;
	}
	segment_map_clear(&m);
	ck_assert_uint_eq(segment_map_free_range(&m, 9).first, 9);
	ck_assert_uint_eq(segment_map_free_range(&m, 9).count, UINT64_MAX - 9);
}
END_TEST

START_TEST(ends_behind_the_last_segment_in_use)
{
	struct segment_map m = {0};

	ck_assert_uint_eq(segment_map_end(&m), 0);
	ck_assert_int_eq(segment_map_use(&m, 5000, &fault), 0);
	ck_assert_int_eq(segment_map_use(&m, 3, &fault), 0);
	ck_assert_uint_eq(segment_map_end(&m), 5001);
	segment_map_clear(&m);
}
END_TEST

START_TEST(refuses_a_segment_beyond_the_largest_image)
{
	struct segment_map m = {.next = SEGMENTS_MAX};
	uint64_t segment;

	ck_assert_int_eq(segment_map_use(&m, SEGMENTS_MAX, &fault), -EFBIG);
	ck_assert_int_eq(segment_map_use(&m, UINT64_MAX, &fault), -EFBIG);
	ck_assert_int_eq(segment_map_take(&m, &segment, &fault), -EFBIG);
	ck_assert_ptr_null(m.bits);
}
END_TEST

UNIT_MAIN("segments", joins_segments_that_follow, knows_what_is_in_a_list,
	  takes_the_lowest_free_segment_first, counts_a_segment_once,
	  keeps_what_is_used_while_it_grows, copies_a_map_that_stays_as_it_is,
	  finds_every_free_range_to_the_open_end, ends_behind_the_last_segment_in_use,
	  refuses_a_segment_beyond_the_largest_image)
