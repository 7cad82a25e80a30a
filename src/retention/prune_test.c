/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a real directory store, as image_fixture.h makes it. */
#include "image/image_fixture.h"

#include <fcntl.h>

#include "vmguard/retention.h"

enum { SEEN_BYTES = 200 };

static char seen[SEEN_BYTES]; /* "1:- 2:last …" */

static int see(void *context, const struct retention_choice *c)
{
	size_t used = strlen(seen);

	(void)context;
	snprintf(seen + used, sizeof(seen) - used, "%s%d:%s", used ? " " : "", (int)c->id.number,
		 c->reason ? c->reason : "-");
	return 0;
}

static int prune(struct image *image, unsigned keep_last, bool dry_run)
{
	const struct prune_options options = {
		.rules = {.keep_last = keep_last},
		.dry_run = dry_run,
		.each = see,
	};

	seen[0] = '\0';
	return retention_prune(store, "g", image, &options, &fault);
}

static int count_one(void *count, const struct listed_checkpoint *l)
{
	(void)l;
	++*(int *)count;
	return 0;
}

static int checkpoints_left(void)
{
	int count = 0;

	ASSERT_OK(checkpoint_list(store, "g", count_one, &count, &fault));
	return count;
}

static void begin(int checkpoints)
{
	fixture_begin();
	for (int i = 1; i <= checkpoints; i++)
		must_write(&small_guest, i, i);
}

START_TEST(deletes_what_no_rule_keeps)
{
	begin(4);
	int files = count_files("seg-");
	ASSERT_OK(prune(NULL, 2, false));
	ck_assert_str_eq(seen, "1:- 2:- 3:last 4:last");
	ck_assert_int_lt(count_files("seg-"), files); /* and their room is free */
	ck_assert_int_eq(checkpoints_left(), 2);
	must_read(&small_guest, 3, 3);
	must_read(&small_guest, 4, 4);
	fixture_end();
}
END_TEST

START_TEST(a_dry_run_says_the_same_and_deletes_nothing)
{
	begin(3);
	ASSERT_OK(prune(NULL, 1, true));
	ck_assert_str_eq(seen, "1:- 2:- 3:last");
	ck_assert_int_eq(checkpoints_left(), 3);
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "1:- 2:- 3:last");
	fixture_end();
}
END_TEST

START_TEST(no_rule_deletes_nothing)
{
	begin(2);
	ck_assert_int_eq(prune(NULL, 0, false), -EINVAL);
	ck_assert_str_eq(seen, "");
	ck_assert_int_eq(checkpoints_left(), 2);
	fixture_end();
}
END_TEST

START_TEST(one_that_is_read_is_left_for_the_next_time)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;

	begin(3);
	ASSERT_OK(checkpoint_open(store, "g", 2, &c, &fault));
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "1:- 2:in use 3:last");
	checkpoint_close(give(c));
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "2:- 3:last");
	fixture_end();
}
END_TEST

START_TEST(somebody_else_who_writes_is_named)
{
	auto_of(image_close) struct image *image = NULL;

	begin(3);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ck_assert_int_eq(prune(NULL, 1, false), -EBUSY);
	ck_assert_int_eq(checkpoints_left(), 3);
	/* where nothing would go, nobody is in the way */
	ASSERT_OK(prune(NULL, 3, false));
	ASSERT_OK(prune(NULL, 1, true));
	image_close(give(image));
	fixture_end();
}
END_TEST

START_TEST(goes_through_the_image_that_the_caller_writes)
{
	auto_of(image_close) struct image *image = NULL;
	uint64_t number = 0;

	begin(3);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ASSERT_OK(prune(image, 1, false));
	ck_assert_int_eq(checkpoints_left(), 1);
	ASSERT_OK(put_checkpoint(image, &small_guest, 4));
	ASSERT_OK(commit_checkpoint(image, 4, &number));
	ASSERT_OK(prune(image, 1, false));
	ck_assert_str_eq(seen, "3:- 4:last");
	image_close(give(image));
	must_read(&small_guest, 4, 4);
	must_write(&small_guest, 5, 5);
	fixture_end();
}
END_TEST

START_TEST(a_protected_one_stays)
{
	begin(3);
	ASSERT_OK(checkpoint_protect(store, "g", 1, true, &fault));
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "1:protected 2:- 3:last");
	ASSERT_OK(checkpoint_protect(store, "g", 1, false, &fault));
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "1:- 3:last");
	fixture_end();
}
END_TEST

START_TEST(one_that_is_restored_stays_until_it_is_over)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct fault unheld;
	struct holder self;

	begin(3);
	ASSERT_OK(holder_of(getpid(), &self, &fault));
	ASSERT_OK(checkpoint_open_held(store, "g", 1, &self, &c, &unheld, &fault));
	ck_assert_int_eq(unheld.code, 0);
	checkpoint_close(give(c)); /* whoever feeds it may go away */
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "1:being restored 2:- 3:last");
	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	ASSERT_OK(checkpoint_release(c, &self, &fault));
	checkpoint_close(give(c));
	ASSERT_OK(prune(NULL, 1, false));
	ck_assert_str_eq(seen, "1:- 3:last");
	fixture_end();
}
END_TEST

static void truncate_checkpoint(int number)
{
	char name[CHECKPOINT_NAME_BYTES];
	char path[FILE_PATH_BYTES];

	checkpoint_name((struct checkpoint_id){1, number}, name);
	file_path(name, path);
	ck_assert_int_eq(truncate(path, 3), 0);
}

START_TEST(a_damaged_one_stays_and_so_does_the_newest_good_one)
{
	begin(4);
	truncate_checkpoint(2);
	truncate_checkpoint(4);
	ASSERT_OK(prune(NULL, 1, true));
	ck_assert_str_eq(seen, "1:- 2:damaged 3:last 4:damaged");
	fixture_end();
}
END_TEST

START_TEST(one_that_could_not_be_opened_is_not_held)
{
	struct checkpoint *c;
	struct fault unheld;
	struct holder self;

	begin(3);
	ASSERT_OK(holder_of(getpid(), &self, &fault));
	truncate_checkpoint(1);
	ck_assert_int_eq(checkpoint_open_held(store, "g", 1, &self, &c, &unheld, &fault), -EBADMSG);
	ASSERT_OK(checkpoint_delete(store, "g", 1, &fault));
	fixture_end();
}
END_TEST

START_TEST(a_list_that_cannot_be_read_deletes_nothing)
{
	char path[FILE_PATH_BYTES];
	char hidden[FILE_PATH_BYTES];

	begin(2);
	snprintf(path, sizeof(path), "%s/g", folder);
	snprintf(hidden, sizeof(hidden), "%s/.g", folder);
	ck_assert_int_eq(rename(path, hidden), 0);
	ck_assert_int_eq(prune(NULL, 1, false), -ENOENT);
	ck_assert_str_eq(seen, "");
	ck_assert_int_eq(rename(hidden, path), 0);
	ck_assert_int_eq(checkpoints_left(), 2);
	fixture_end();
}
END_TEST

UNIT_MAIN("prune", deletes_what_no_rule_keeps, a_dry_run_says_the_same_and_deletes_nothing,
	  no_rule_deletes_nothing, one_that_is_read_is_left_for_the_next_time,
	  somebody_else_who_writes_is_named, goes_through_the_image_that_the_caller_writes,
	  a_protected_one_stays, one_that_is_restored_stays_until_it_is_over,
	  a_damaged_one_stays_and_so_does_the_newest_good_one,
	  one_that_could_not_be_opened_is_not_held, a_list_that_cannot_be_read_deletes_nothing)
