/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The spool: how many writes at once, what it counts, a store that is full, the rate. */
#include "capture/spool_fixture.h"
#include "vmguard/clock.h"
#include "vmguard/cpus.h"

START_TEST(starts_as_many_writes_as_its_size_allows)
{
	static const size_t sizes[][2] = {
		{2, 2}, {8, UNDER_WAY_MIN}, {12, 6}, {MANY, UNDER_WAY_MAX}}; /* limit, writes */

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t limit = sizes[i][0];

		begin(limit);
		for (uint64_t k = 0; k < limit; k++)
			put_new(k);
		wait_started(image, sizes[i][1]);
		for (uint64_t k = 0; k < limit; k++)
			complete(image, k, 0);
		ck_assert_int_eq(spool_drain(spool, &fault), 0);
		ck_assert_uint_eq(image->under_way_max, sizes[i][1]);
		end();
	}
}
END_TEST

START_TEST(counts_its_writes_and_sees_where_they_run)
{
	struct spool_figures figures;

	begin(4);
	release(image, 0);
	for (uint64_t i = 0; i < 9; i++)
		put_new(i);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	spool_figures(spool, &figures);
	ck_assert_uint_eq(figures.writes, 9);
	ck_assert_uint_eq(figures.put_bytes, 9 * 10 / 2);
	ck_assert_uint_eq(figures.written_bytes, figures.put_bytes);
	ck_assert_int_gt(CPU_COUNT(&figures.cpus), 0);
	ck_assert_int_ge(image->nice, TRANSFER_NICE);
	end();
}
END_TEST

/* ---- a full store --------------------------------------------------------------------- */

/* 30 segments pass by a store that has room for two. */
static void fill_store(int code)
{
	begin(4);
	for (uint64_t i = 0; i < 4; i++)
		put(i, take(), STORE_SEGMENT_BYTES);
	wait_started(image, 4); /* after the failure none is */
	for (uint64_t i = 0; i < 4; i++) {
		struct store_write *w = await(image, i);

		w->done(w, i < 2 ? 0 : code);
	}
	for (uint64_t i = 4; i < 30; i++) {
		uint8_t *buffer = take();

		ck_assert_ptr_nonnull(buffer);
		put(i, buffer, STORE_SEGMENT_BYTES);
	}
}

static void must_miss(int code, const char *words)
{
	struct spool_figures figures;

	ck_assert_int_eq(spool_drain(spool, &fault), code);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
	spool_figures(spool, &figures);
	ck_assert_uint_eq(figures.writes, 4);
	ck_assert_uint_eq(figures.put_bytes, UINT64_C(30) * STORE_SEGMENT_BYTES);
	ck_assert_uint_eq(figures.written_bytes, UINT64_C(2) * STORE_SEGMENT_BYTES);
	ck_assert_uint_le(figures.used_bytes, UINT64_C(4) * STORE_SEGMENT_BYTES);
}

START_TEST(says_how_much_is_missing_in_a_full_store)
{
	_Static_assert(SEGMENT_MIB == 4, "the figures below");
	fill_store(-ENOSPC);
	must_miss(-ENOSPC, "the store is full (No space left on device): this checkpoint of g "
			   "needs 120.0 MiB, 8.0 MiB were written: make at least 112.0 MiB free "
			   "(vmguard prune, vmguard delete)");
	end();
	fill_store(-EDQUOT);
	must_miss(-EDQUOT, "full (Disk quota exceeded): this checkpoint of g needs 120.0 MiB");
	end();
}
END_TEST

START_TEST(knows_only_a_part_where_the_stream_was_cut)
{
	fill_store(-ENOSPC);
	spool_cancel(spool);
	ck_assert_ptr_null(take());
	must_miss(-ENOSPC, "needs at least 120.0 MiB");
	end();
}
END_TEST

START_TEST(takes_on_when_the_store_gets_full_while_it_waits)
{
	struct taker t;

	begin(1);
	put_new(0);
	wait_started(image, 1);
	start_taker(&t);
	ck_assert(!t.returned);
	complete(image, 0, -ENOSPC);
	uint8_t *buffer = end_taker(&t);
	ck_assert_ptr_nonnull(buffer);
	put(1, buffer, 1);
	ck_assert_int_eq(spool_drain(spool, &fault), -ENOSPC);
	ck_assert_uint_eq(count_started(image), 1);
	end();
}
END_TEST

START_TEST(keeps_another_failure_before_a_full_store)
{
	begin(4);
	put_new(0);
	put_new(1);
	wait_started(image, 2);
	complete(image, 0, -EIO);
	complete(image, 1, -ENOSPC);
	ck_assert_ptr_null(take());
	ck_assert_int_eq(spool_drain(spool, &fault), -EIO);
	end();
}
END_TEST

/* ---- the rate ------------------------------------------------------------------------- */

enum { RATE = 40 * STORE_SEGMENT_BYTES, SEGMENT_US = 1000000 / 40 };

START_TEST(writes_no_faster_than_the_rate)
{
	begin(MANY);
	int64_t since = clock_us(CLOCK_MONOTONIC);
	spool_set_rate(spool, RATE);
	release(image, 0);
	for (uint64_t i = 0; i < 20; i++)
		put(i, take(), STORE_SEGMENT_BYTES);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_int_ge(clock_us(CLOCK_MONOTONIC) - since, 20 * SEGMENT_US);
	end();
}
END_TEST

START_TEST(saves_no_more_than_a_segment_while_it_has_nothing_to_write)
{
	begin(MANY);
	spool_set_rate(spool, RATE);
	release(image, 0);
	sleep_us(10 * SEGMENT_US);
	int64_t since = clock_us(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < 10; i++)
		put(i, take(), STORE_SEGMENT_BYTES);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_int_ge(clock_us(CLOCK_MONOTONIC) - since, 9 * SEGMENT_US);
	end();
}
END_TEST

START_TEST(pays_for_the_bytes_and_not_for_the_segments)
{
	begin(MANY);
	spool_set_rate(spool, 1 << 20);
	release(image, 0);
	int64_t since = clock_us(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < 40; i++) /* 820 bytes; as segments they would take 160 s */
		put_new(i);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_int_lt(clock_us(CLOCK_MONOTONIC) - since, 100 * 1000000);
	end();
}
END_TEST

/* Weeks of waiting end at once. */
START_TEST(leaves_the_rate_when_it_is_cancelled)
{
	begin(4);
	spool_set_rate(spool, 1);
	for (uint64_t i = 0; i < 4; i++)
		put(i, take(), STORE_SEGMENT_BYTES);
	spool_cancel(spool);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_uint_eq(count_started(image), 0);
	end();
}
END_TEST

UNIT_MAIN("spool_limit", starts_as_many_writes_as_its_size_allows,
	  counts_its_writes_and_sees_where_they_run, says_how_much_is_missing_in_a_full_store,
	  knows_only_a_part_where_the_stream_was_cut,
	  takes_on_when_the_store_gets_full_while_it_waits,
	  keeps_another_failure_before_a_full_store, writes_no_faster_than_the_rate,
	  saves_no_more_than_a_segment_while_it_has_nothing_to_write,
	  pays_for_the_bytes_and_not_for_the_segments, leaves_the_rate_when_it_is_cancelled)
