/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory backend with a writer in another process, which is killed at any moment. */
#include <signal.h>
#include <sys/wait.h>

#include "dir_fixture.h"

enum { KILL_ROUNDS = 40, LIVE_SEGMENTS = 8 };

/*
 * A child that writes and commits until it is killed. Checkpoint n holds the byte n in
 * every segment, so a mixture of two is seen. It never returns: it is a copy of the test.
 */
static void write_for_ever(uint64_t epoch)
{
	struct store *s = contract_store();
	struct store_image *writer;
	struct checkpoint_id *ids;
	size_t count;

	while (store_image_open(s, "guest", STORE_WRITE, NULL, &writer, &fault) < 0)
		if (fault.code != -EBUSY)
			_exit(4);
	if (store_checkpoints(writer, &ids, &count, &fault) < 0)
		_exit(1);
	uint64_t number = count ? ids[count - 1].number : 0;
	for (;;) {
		struct waited_write *writes[LIVE_SEGMENTS];
		struct checkpoint_id id = {epoch, ++number}, old = {epoch, number - 2};

		for (size_t i = 0; i < LIVE_SEGMENTS; i++)
			writes[i] = start_write(writer, i, (uint8_t)number);
		for (size_t i = 0; i < LIVE_SEGMENTS; i++)
			if (end_write(writes[i]) < 0)
				_exit(2);
		if (store_commit(writer, id, &fault) < 0)
			_exit(3);
		store_remove(writer, old, &fault);
	}
}

static size_t count_checkpoints_of(struct store *s)
{
	auto_of(store_image_close) struct store_image *list = NULL;

	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, NULL, &list, &fault), 0);
	return count_checkpoints(list);
}

/* All commits must be whole; returns the number of the last one. */
static uint64_t check_commits(struct store *s)
{
	auto_of(store_image_close) struct store_image *list = NULL;
	auto_free struct checkpoint_id *ids = NULL;
	size_t count;

	if (store_image_open(s, "guest", STORE_READ, NULL, &list, &fault) == -ENOENT)
		return 0;
	ck_assert_int_eq(store_checkpoints(list, &ids, &count, &fault), 0);
	for (size_t i = 0; i < count; i++) {
		struct store_image *reader = open_reader_of(s, "guest", ids[i]);

		for (uint64_t segment = 0; segment < LIVE_SEGMENTS; segment++)
			ck_assert_msg(holds(reader, segment, (uint8_t)ids[i].number) == 1,
				      "checkpoint %zu: %s", i, fault.text);
		store_image_close(reader);
	}
	return count ? ids[count - 1].number : 0;
}

START_TEST(survives_a_writer_that_is_killed_at_any_moment)
{
	auto_of(store_close) struct store *s = contract_store();
	uint64_t last = 0;

	store_image_close(new_writer(s, "guest"));
	for (uint64_t round = 1; round <= KILL_ROUNDS; round++) {
		pid_t child = fork();

		if (child == 0)
			write_for_ever(round);
		usleep((useconds_t)(rand() % 30000));
		kill(child, SIGKILL);
		int status;
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_msg(WIFSIGNALED(status), "the child ended by itself: %d", status);
		uint64_t now = check_commits(s);
		ck_assert_uint_ge(now, last);
		last = now;
	}
	ck_assert_uint_gt(last, 0);
	store_image_close(open_writer_of(s, "guest"));
	ck_assert_int_le(count_files("seg-"), LIVE_SEGMENTS * count_files("ckpt-"));
}
END_TEST

/* Opens the newest commit again and again while another process removes old ones. */
START_TEST(lets_readers_race_with_removal)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *list = new_writer(s, "guest");
	auto_free struct checkpoint_id *ids = NULL;
	int read = 0;

	store_image_close(list);
	pid_t child = fork();
	if (child == 0)
		write_for_ever(1);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, NULL, &list, &fault), 0);
	for (int i = 0; i < 3000 || read < 10; i++) {
		struct store_image *reader;
		size_t count;

		scope_free(&ids);
		ck_assert_int_eq(store_checkpoints(list, &ids, &count, &fault), 0);
		if (!count)
			continue;
		int r = store_image_open(s, "guest", STORE_READ, &ids[0], &reader, &fault);
		ck_assert_msg(r == 0 || r == -ENOENT, "%s", fault.text);
		if (r < 0)
			continue;
		ck_assert_int_eq(holds(reader, 0, (uint8_t)ids[0].number), 1);
		ck_assert_int_eq(holds(reader, LIVE_SEGMENTS - 1, (uint8_t)ids[0].number), 1);
		store_image_close(reader);
		read++;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

START_TEST(names_the_process_that_writes)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *image;
	char expected[64];

	store_image_close(new_writer(s, "guest"));
	pid_t child = fork();
	if (child == 0)
		write_for_ever(1);
	snprintf(expected, sizeof(expected), "process %d on host", (int)child);
	/* Until the child is that far. */
	do {
		if (store_image_open(s, "guest", STORE_WRITE, NULL, &image, &fault) == 0)
			store_image_close(image);
		else
			ck_assert_int_eq(fault.code, -EBUSY);
	} while (fault.code != -EBUSY || !strstr(fault.text, expected));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

/* Its lock ended with it: the next one needs no force and no wait. */
START_TEST(takes_over_from_a_writer_that_was_killed)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer;

	store_image_close(new_writer(s, "guest"));
	for (int round = 0; round < 5; round++) {
		pid_t child = fork();

		if (child == 0)
			write_for_ever((uint64_t)round + 1);
		while (count_checkpoints_of(s) == 0)
			usleep(1000);
		ck_assert_int_eq(store_image_open(s, "guest", STORE_WRITE, NULL, &writer, &fault),
				 -EBUSY);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		ck_assert_msg(store_image_open(s, "guest", STORE_WRITE, NULL, &writer, &fault) == 0,
			      "%s", fault.text);
		commit(writer, 100, 1000000); /* and no number follows it */
		ck_assert_int_eq(store_remove(writer, (struct checkpoint_id){100, 1000000}, &fault),
				 0);
		store_image_close(writer);
		store_image_close(new_writer(s, "guest"));
	}
}
END_TEST

/* Protects and unprotects while another process removes all but the last two. */
START_TEST(lets_protection_race_with_removal)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *list = new_writer(s, "guest");
	int protected = 0;

	store_image_close(list);
	pid_t child = fork();
	if (child == 0)
		write_for_ever(1);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, NULL, &list, &fault), 0);
	for (int i = 0; i < 1000 || protected < 10; i++) {
		auto_free struct checkpoint_id *ids = NULL;
		size_t count;

		ck_assert_int_eq(store_checkpoints(list, &ids, &count, &fault), 0);
		if (!count)
			continue;
		int r = store_protect(s, "guest", ids[0], true, &fault);
		ck_assert_msg(r == 0 || r == -ENOENT, "%s", fault.text);
		if (r < 0)
			continue;
		protected++;
		ck_assert_int_eq(store_is_protected(list, ids[0], &fault), 1);
		struct store_image *reader = open_reader_of(s, "guest", ids[0]);
		ck_assert_int_eq(holds(reader, 0, (uint8_t)ids[0].number), 1);
		store_image_close(reader);
		protect(s, ids[0], false);
	}
	store_image_close(list);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

UNIT_MAIN("dir_kill", survives_a_writer_that_is_killed_at_any_moment,
	  lets_readers_race_with_removal, names_the_process_that_writes,
	  takes_over_from_a_writer_that_was_killed, lets_protection_race_with_removal,
	  leaves_nothing_behind)
