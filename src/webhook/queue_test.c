/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "webhook/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "unit.h"

static struct fault fault;
static struct queue *queue;
static char folder[64];

static void reopen(uint64_t limit)
{
	queue_close(queue);
	ck_assert_msg(queue_open(folder, limit, &queue, &fault) == 0, "%s", fault.text);
}

static void begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/vg-queue-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	queue = NULL;
	reopen(1 << 20);
}

static void end(void)
{
	char command[128];

	queue_close(queue);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0); // NOLINT(bugprone-command-processor)
}

static void push(const char *text)
{
	ck_assert_msg(queue_push(queue, text, &fault) == 0, "%s", fault.text);
}

/* Takes the front, which must be this. */
static void must_take(const char *text)
{
	uint64_t number;
	auto_free char *front = queue_front(queue, &number);

	ck_assert_ptr_nonnull(front);
	ck_assert_str_eq(front, text);
	queue_remove(queue, number);
}

static void must_be_empty(void)
{
	uint64_t number;

	ck_assert_ptr_null(queue_front(queue, &number));
	ck_assert_uint_eq(queue_waiting(queue), 0);
}

START_TEST(what_came_first_goes_first)
{
	begin();
	must_be_empty();
	push("one"), push("two");
	ck_assert_uint_eq(queue_waiting(queue), 2);
	must_take("one");
	push("three");
	must_take("two"), must_take("three");
	must_be_empty();
	ck_assert_uint_eq(queue_dropped(queue), 0);
	end();
}
END_TEST

START_TEST(it_is_there_when_it_is_opened_again)
{
	begin();
	push("one"), push("two"), push("three");
	must_take("one");
	reopen(1 << 20);
	ck_assert_uint_eq(queue_waiting(queue), 2);
	push("four");
	must_take("two"), must_take("three"), must_take("four");
	must_be_empty();
	end();
}
END_TEST

START_TEST(the_oldest_is_dropped_when_it_is_full)
{
	begin();
	reopen(3 * QUEUE_FILE_BYTES);
	push("one"), push("two"), push("three");
	ck_assert_uint_eq(queue_dropped(queue), 0);
	push("four"), push("five");
	ck_assert_uint_eq(queue_dropped(queue), 2);
	ck_assert_uint_eq(queue_waiting(queue), 3);
	must_take("three"), must_take("four"), must_take("five");
	must_be_empty();
	end();
}
END_TEST

START_TEST(what_was_dropped_while_it_was_sent_is_not_counted)
{
	uint64_t number;

	begin();
	reopen(2 * QUEUE_FILE_BYTES);
	push("one"), push("two");
	auto_free char *sent = queue_front(queue, &number);
	push("three");
	ck_assert_uint_eq(queue_dropped(queue), 1);
	queue_remove(queue, number);
	ck_assert_uint_eq(queue_dropped(queue), 0);
	must_take("two"), must_take("three");
	ck_assert_str_eq(sent, "one");
	end();
}
END_TEST

static void damage(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(damage_is_skipped_and_counted)
{
	begin();
	push("one"), push("two"), push("three");
	damage("00000000000000000001", "");
	damage("00000000000000000002", "tw");
	damage("lunch", "at noon");
	reopen(1 << 20);
	must_take("three");
	must_be_empty();
	ck_assert_uint_eq(queue_dropped(queue), 2);
	end();
}
END_TEST

START_TEST(a_file_that_somebody_removed_is_no_end)
{
	char path[128];

	begin();
	push("one"), push("two"), push("three");
	snprintf(path, sizeof(path), "%s/00000000000000000001", folder);
	unlink(path);
	must_take("two");
	snprintf(path, sizeof(path), "%s/00000000000000000003", folder);
	unlink(path);
	must_be_empty();
	push("four");
	must_take("four");
	must_be_empty();
	end();
}
END_TEST

START_TEST(without_a_folder_it_says_which)
{
	struct queue *none;

	ck_assert_int_eq(queue_open("/nowhere/queue", 1 << 20, &none, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/nowhere/queue"));
	ck_assert_ptr_null(none);
}
END_TEST

/* Pushes numbers until it is killed. */
static void write_numbers(int told)
{
	for (uint64_t i = 1;; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%" PRIu64, i);
		if (queue_push(queue, text, &fault) < 0 || write(told, &i, sizeof(i)) < 0)
			_exit(1);
	}
}

static uint64_t write_until_killed(int delay_us)
{
	int ends[2];
	uint64_t last = 0, number;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		write_numbers(ends[1]);
	close(ends[1]);
	usleep(delay_us);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(ends[0], &number, sizeof(number)) == sizeof(number))
		last = number;
	close(ends[0]);
	return last;
}

START_TEST(a_kill_loses_nothing_that_was_pushed)
{
	for (int run = 0; run < 20; run++) {
		begin();
		reopen(1 << 30);
		uint64_t last = write_until_killed(500 * run);
		reopen(1 << 30);
		uint64_t waiting = queue_waiting(queue);
		ck_assert_uint_ge(waiting, last);
		ck_assert_uint_le(waiting, last + 1);
		for (uint64_t i = 1; i <= waiting; i++) {
			char text[32];

			snprintf(text, sizeof(text), "%" PRIu64, i);
			must_take(text);
		}
		ck_assert_uint_eq(queue_dropped(queue), 0);
		end();
	}
}
END_TEST

UNIT_MAIN("queue", what_came_first_goes_first, it_is_there_when_it_is_opened_again,
	  the_oldest_is_dropped_when_it_is_full, what_was_dropped_while_it_was_sent_is_not_counted,
	  damage_is_skipped_and_counted, a_file_that_somebody_removed_is_no_end,
	  without_a_folder_it_says_which, a_kill_loses_nothing_that_was_pushed)
