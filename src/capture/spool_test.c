/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The spool: order, limit, failures, the end. What it counts and its rate: spool_limit_test.c. */
#include "capture/spool_fixture.h"

START_TEST(writes_what_was_put_in_that_order)
{
	enum { COUNT = 16 };
	static const uint64_t order[COUNT] = {9, 3, 4, 0, 15, 1, 2, 5, 14, 6, 7, 8, 10, 13, 12, 11};

	begin(COUNT);
	for (int i = 0; i < COUNT; i++)
		put_new(order[i]);
	for (int i = 0; i < COUNT; i++)
		complete(image, order[i], 0);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_mem_eq(image->order, order, sizeof(order));
	end();
}
END_TEST

START_TEST(keeps_a_few_writes_under_way)
{
	begin(MANY);
	for (uint64_t i = 0; i < MANY; i++)
		put_new(i);
	/* The first stays under way while the others come and go. */
	wait_started(image, 2);
	for (uint64_t i = 1; i < MANY; i++)
		complete(image, i, 0);
	complete(image, 0, 0);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_uint_eq(count_started(image), MANY);
	ck_assert_uint_ge(image->under_way_max, 2);
	ck_assert_uint_le(image->under_way_max, UNDER_WAY_MAX);
	end();
}
END_TEST

START_TEST(takes_at_once_up_to_the_limit)
{
	enum { LIMIT = 20 };
	uint8_t *buffers[LIMIT];
	struct spool_figures figures;

	begin(LIMIT);
	for (int i = 0; i < LIMIT; i++) {
		buffers[i] = take();
		ck_assert_ptr_nonnull(buffers[i]);
		for (int k = 0; k < i; k++)
			ck_assert_ptr_ne(buffers[i], buffers[k]);
		buffers[i][0] = buffers[i][STORE_SEGMENT_BYTES - 1] = 1;
	}
	spool_figures(spool, &figures);
	ck_assert_uint_eq(figures.limit_bytes, (uint64_t)LIMIT * STORE_SEGMENT_BYTES);
	ck_assert_uint_eq(figures.used_bytes, (uint64_t)LIMIT * STORE_SEGMENT_BYTES);
	ck_assert_int_eq(figures.full_us, 0);
	end(); /* with all of them still taken */
}
END_TEST

START_TEST(waits_at_the_limit_until_a_write_is_done)
{
	struct taker t;
	struct spool_figures figures;

	begin(2);
	put_new(0);
	put_new(1);
	wait_started(image, 2);
	start_taker(&t);
	ck_assert(!t.returned);
	complete(image, 1, 0);
	uint8_t *buffer = end_taker(&t);
	ck_assert_ptr_nonnull(buffer);
	spool_figures(spool, &figures);
	ck_assert_int_gt(figures.full_us, 0);
	ck_assert_uint_eq(figures.used_bytes, 2 * STORE_SEGMENT_BYTES);
	buffer[0] = 2;
	put(2, buffer, 3);
	complete(image, 0, 0);
	complete(image, 2, 0);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	end();
}
END_TEST

START_TEST(takes_the_buffers_that_came_back)
{
	begin(3);
	for (uint64_t i = 0; i < 30; i++) {
		put_new(i);
		complete(image, i, 0);
	}
	struct spool_figures figures;
	spool_figures(spool, &figures);
	ck_assert_uint_le(figures.used_bytes, 3 * STORE_SEGMENT_BYTES);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	end();
}
END_TEST

START_TEST(keeps_the_first_failure_and_writes_no_more)
{
	begin(MANY + 1);
	for (uint64_t i = 0; i < MANY; i++)
		put_new(i);
	uint8_t *held = take();
	ck_assert_ptr_nonnull(held);
	complete(image, 1, -ENXIO);
	ck_assert_ptr_null(take());
	put(MANY, held, 1); /* what was taken before may still be put */
	complete(image, 0, -EIO);
	release(image, -EIO);
	ck_assert_int_eq(spool_drain(spool, &fault), -ENXIO);
	ck_assert_ptr_nonnull(
		strstr(fault.text, "write segment 1 of g: No such device or address"));
	ck_assert_uint_le(count_started(image), UNDER_WAY_MAX + 1);
	ck_assert_int_eq(spool_drain(spool, &fault), -ENXIO);
	ck_assert_ptr_null(take());
	end();
}
END_TEST

START_TEST(wakes_a_waiting_take_when_a_write_fails)
{
	struct taker t;

	begin(1);
	put_new(0);
	start_taker(&t);
	ck_assert(!t.returned);
	complete(image, 0, -EIO);
	ck_assert_ptr_null(end_taker(&t));
	end();
}
END_TEST

START_TEST(wakes_a_waiting_take_when_it_is_cancelled)
{
	struct taker t;

	begin(1);
	put_new(0);
	wait_started(image, 1);
	start_taker(&t);
	ck_assert(!t.returned);
	spool_cancel(spool);
	ck_assert_ptr_null(end_taker(&t));
	complete(image, 0, 0);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	end();
}
END_TEST

START_TEST(writes_nothing_more_after_cancel)
{
	begin(MANY);
	for (uint64_t i = 0; i < MANY; i++)
		put_new(i);
	wait_started(image, 2);
	spool_cancel(spool);
	ck_assert_ptr_null(take());
	release(image, 0);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	ck_assert_uint_le(count_started(image), UNDER_WAY_MAX);
	end();
}
END_TEST

static void *drain_main(void *result)
{
	struct fault f;

	*(int *)result = spool_drain(spool, &f);
	return NULL;
}

START_TEST(drains_to_the_last_write)
{
	pthread_t thread;
	int result = 1;

	begin(4);
	for (uint64_t i = 0; i < 4; i++)
		put_new(i);
	ck_assert_int_eq(pthread_create(&thread, NULL, drain_main, &result), 0);
	for (uint64_t i = 4; i-- > 0;)
		complete(image, i, 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, 0);
	end();
}
END_TEST

static void *complete_main(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; i < 12; i++)
		complete(image, i, 0);
	return NULL;
}

START_TEST(is_freed_when_the_writes_under_way_are_done)
{
	pthread_t thread;

	begin(20);
	for (uint64_t i = 0; i < 12; i++)
		put_new(i);
	ck_assert_ptr_nonnull(take());
	ck_assert_int_eq(pthread_create(&thread, NULL, complete_main, NULL), 0);
	spool_free(give(spool));
	pthread_join(thread, NULL);
	ck_assert_uint_eq(image->count, 12);
	end();
}
END_TEST

START_TEST(is_freed_unused)
{
	begin(1);
	end();
	begin(1);
	spool_cancel(spool);
	ck_assert_int_eq(spool_drain(spool, &fault), 0);
	end();
}
END_TEST

UNIT_MAIN("spool", writes_what_was_put_in_that_order, keeps_a_few_writes_under_way,
	  takes_at_once_up_to_the_limit, waits_at_the_limit_until_a_write_is_done,
	  takes_the_buffers_that_came_back, keeps_the_first_failure_and_writes_no_more,
	  wakes_a_waiting_take_when_a_write_fails, wakes_a_waiting_take_when_it_is_cancelled,
	  writes_nothing_more_after_cancel, drains_to_the_last_write,
	  is_freed_when_the_writes_under_way_are_done, is_freed_unused)
