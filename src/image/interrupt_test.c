/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A checkpoint that is interrupted at each call of the store in turn, by a failure or by the
 * end of the process. Afterwards the last checkpoint that was committed reads right, no segment
 * is lost, and the next checkpoint works.
 */
#include "image/flaky_store.h"

#include <sys/wait.h>

enum { CALLS_MAX = 100, FILES_OF_ONE = 5 };

static unsigned committed; /* checkpoints there are, each with its number as fill */

/* What must hold whatever happened to the writing of checkpoint committed + 1. */
static void check_all(void)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	int r = checkpoint_open(store, "g", 0, &c, &fault);

	if (!r) {
		uint64_t newest = checkpoint_manifest(c)->id.number;

		/* Its commit may have been carried out before the interruption. */
		ck_assert(newest == committed || newest == committed + 1);
		committed = newest;
	} else {
		ck_assert_int_eq(r, -ENOENT);
		ck_assert_uint_eq(committed, 0);
	}
	checkpoint_close(give(c));
	for (unsigned i = 1; i <= committed; i++)
		must_read(&small_guest, i, i);
	must_write(&small_guest, committed + 1, committed + 1);
	committed++;
	must_read(&small_guest, 0, committed);
	int files = count_files("seg-");
	if (steady_from == PAGES_MAX)
		ck_assert_int_eq(files, FILES_OF_ONE * (int)committed);
	else /* one more where the cleaner moved pages */
		ck_assert_int_le(files, (FILES_OF_ONE + 1) * (int)committed);
}

static void start_over(unsigned before)
{
	fixture_begin();
	for (committed = 0; committed < before; committed++)
		must_write(&small_guest, committed + 1, committed + 1);
}

/* Fails a checkpoint at its call k. Whether it came that far. */
static bool fail_at(unsigned k, enum flaky_how how, unsigned before)
{
	uint64_t number;

	start_over(before);
	flaky.calls = 0;
	flaky.at = k;
	flaky.how = how;
	int r = write_checkpoint(&flaky_store, &small_guest, committed + 1, &number);
	bool reached = flaky.calls >= k;
	if (r < 0)
		ck_assert_msg(r == -EIO, "call %u: %s", k, fault.text);
	else
		committed++; /* and it is there */
	check_all();
	fixture_end();
	return reached;
}

static void fail_everywhere(enum flaky_how how, unsigned before)
{
	unsigned k = 1;

	while (fail_at(k, how, before))
		ck_assert_uint_lt(k++, CALLS_MAX);
	ck_assert_uint_gt(k, 12); /* it was not over at once */
}

START_TEST(survives_a_store_that_fails_at_any_call)
{
	for (unsigned before = 0; before < 3; before++)
		fail_everywhere(FAIL_BEFORE, before);
}
END_TEST

/* Most pages are only in older checkpoints' segments. */
START_TEST(survives_a_store_that_fails_at_any_call_of_an_increment)
{
	steady_from = 4;
	for (unsigned before = 1; before < 5; before++) {
		fail_everywhere(FAIL_BEFORE, before);
		fail_everywhere(FAIL_AFTER, before);
	}
}
END_TEST

START_TEST(survives_a_store_that_obeys_and_then_fails_at_any_call)
{
	for (unsigned before = 0; before < 3; before++)
		fail_everywhere(FAIL_AFTER, before);
}
END_TEST

/* The child's checkpoint ends with its process at call k. Whether it came that far. */
static bool die_at(unsigned k, enum flaky_how how, unsigned before)
{
	int status;

	start_over(before);
	flaky.calls = 0;
	flaky.at = k;
	flaky.how = how;
	pid_t child = fork();
	if (child == 0) {
		uint64_t number;
		int r = write_checkpoint(&flaky_store, &small_guest, committed + 1, &number);

		_exit(r < 0 ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_msg(WEXITSTATUS(status) == DIED || WEXITSTATUS(status) == 0,
		      "the child ended with %d", WEXITSTATUS(status));
	if (!WEXITSTATUS(status))
		committed++;
	check_all();
	fixture_end();
	return WEXITSTATUS(status) == DIED;
}

static void die_everywhere(enum flaky_how how, unsigned before)
{
	unsigned k = 1;

	while (die_at(k, how, before))
		ck_assert_uint_lt(k++, CALLS_MAX);
	ck_assert_uint_gt(k, 12);
}

START_TEST(survives_a_writer_that_dies_before_any_call)
{
	die_everywhere(DIE_BEFORE, 0);
	die_everywhere(DIE_BEFORE, 2);
}
END_TEST

START_TEST(survives_a_writer_that_dies_after_any_call)
{
	die_everywhere(DIE_AFTER, 0);
	die_everywhere(DIE_AFTER, 2);
}
END_TEST

START_TEST(survives_a_writer_that_dies_at_any_call_of_an_increment)
{
	steady_from = 4;
	for (unsigned before = 1; before < 4; before++) {
		die_everywhere(DIE_BEFORE, before);
		die_everywhere(DIE_AFTER, before);
	}
}
END_TEST

START_TEST(survives_a_writer_that_dies_while_it_writes)
{
	die_everywhere(DIE_DURING, 1);
}
END_TEST

/* Which of the two the head became is not known to the one whose commit failed. */
START_TEST(wants_to_be_opened_again_after_a_failed_commit)
{
	auto_of(image_close) struct image *image = NULL;
	struct ram_layout l;
	uint64_t number;

	start_over(1);
	make_layout(&small_guest, &l);
	flaky.at = 0;
	ASSERT_OK(image_open(&flaky_store, "g", &image, &fault));
	ASSERT_OK(put_checkpoint(image, &small_guest, 2));
	flaky.calls = 0;
	flaky.at = 3; /* manifest, flush, superblock */
	flaky.how = FAIL_AFTER;
	ck_assert_int_eq(commit_checkpoint(image, 2, &number), -EIO);
	ck_assert_ptr_nonnull(strstr(fault.text, "commit checkpoint 2 of g: "));
	ASSERT_OK(image_drop(image, &fault));
	ck_assert_int_eq(image_begin(image, &l, NULL, &fault), -ESTALE);
	ck_assert_ptr_nonnull(strstr(fault.text, "open the image again"));
	layout_clear(&l);
	image_close(give(image));
	check_all();
	fixture_end();
}
END_TEST

START_TEST(goes_on_in_another_opening_after_a_failed_write)
{
	auto_of(image_close) struct image *image = NULL;
	uint64_t number;

	start_over(1);
	flaky.at = 0;
	ASSERT_OK(image_open(&flaky_store, "g", &image, &fault));
	flaky.calls = 0;
	flaky.at = 2; /* reserve, data */
	flaky.how = FAIL_BEFORE;
	ck_assert_int_eq(put_checkpoint(image, &small_guest, 2), -EIO);
	ASSERT_OK(image_drop(image, &fault));
	ck_assert_int_eq(count_files("seg-"), FILES_OF_ONE);
	image_close(give(image));
	flaky.at = 0;
	ASSERT_OK(image_open(&flaky_store, "g", &image, &fault));
	ASSERT_OK(put_checkpoint(image, &small_guest, 2));
	ASSERT_OK(commit_checkpoint(image, 2, &number));
	ck_assert_uint_eq(number, 2);
	committed = 2;
	image_close(give(image));
	check_all();
	fixture_end();
}
END_TEST

UNIT_MAIN("interrupt", survives_a_store_that_fails_at_any_call,
	  survives_a_store_that_fails_at_any_call_of_an_increment,
	  survives_a_writer_that_dies_at_any_call_of_an_increment,
	  survives_a_store_that_obeys_and_then_fails_at_any_call,
	  survives_a_writer_that_dies_before_any_call, survives_a_writer_that_dies_after_any_call,
	  survives_a_writer_that_dies_while_it_writes,
	  wants_to_be_opened_again_after_a_failed_commit,
	  goes_on_in_another_opening_after_a_failed_write)
