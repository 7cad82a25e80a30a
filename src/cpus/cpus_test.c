/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/cpus.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"

enum { ROUNDS = 2000 };

static struct fault fault;

static pid_t this_thread(void)
{
	return (pid_t)syscall(SYS_gettid);
}

/* ---- text ----------------------------------------------------------------------------- */

static void must_parse(const char *text, const char *expected)
{
	char again[CPUS_TEXT_BYTES];
	cpu_set_t set;

	ck_assert_msg(cpus_parse(text, &set, &fault) == 0, "%s: %s", text, fault.text);
	ck_assert_str_eq(cpus_format(&set, again), expected);
}

START_TEST(writes_what_it_reads)
{
	static const char *const same[] = {"0",	    "7",    "0-1",    "0-3,8",
					   "1,3,5", "1023", "0-1023", "0-3,5-7,1022-1023"};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		must_parse(same[i], same[i]);
}
END_TEST

START_TEST(reads_lists_in_any_order)
{
	must_parse("3,2,1,0", "0-3");
	must_parse("5-5", "5");
	must_parse("0-4,2-6,6", "0-6");
	must_parse("008", "8");
}
END_TEST

START_TEST(refuses_what_is_no_list)
{
	static const char *const bad[] = {
		"",	     ",",    "-",     "0,",	  ",0",
		"0,,1",	     "0-",   "-3",    "3-1",	  "1024",
		"0-1024",    "0--1", "0-1-2", " 0",	  "0 ",
		"0, 1",	     "+1",   "0x1",   "a",	  "all",
		"0-3:1",     "1.5",  "0\n",   "\xc2\xb2", "18446744073709551616",
		"4294967296"};
	cpu_set_t set;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(cpus_parse(bad[i], &set, &fault) == -EINVAL, "\"%s\"", bad[i]);
		ck_assert_ptr_nonnull(strstr(fault.text, "0-3,8"));
	}
}
END_TEST

START_TEST(reads_back_whatever_it_wrote)
{
	for (int round = 0; round < ROUNDS; round++) {
		cpu_set_t set, again;
		char text[CPUS_TEXT_BYTES];

		CPU_ZERO(&set);
		for (int ranges = 1 + rand() % 8; ranges > 0; ranges--) {
			int first = rand() % CPU_SETSIZE, count = 1 + rand() % 40;

			for (int cpu = first; cpu < first + count && cpu < CPU_SETSIZE; cpu++)
				CPU_SET(cpu, &set);
		}
		cpus_format(&set, text);
		ck_assert_msg(cpus_parse(text, &again, &fault) == 0, "%s", fault.text);
		ck_assert_msg(CPU_EQUAL(&set, &again), "%s", text);
	}
}
END_TEST

START_TEST(writes_nothing_for_no_cpu)
{
	char text[CPUS_TEXT_BYTES] = "x";
	cpu_set_t set;

	CPU_ZERO(&set);
	ck_assert_str_eq(cpus_format(&set, text), "");
}
END_TEST

START_TEST(cuts_a_list_that_is_too_long)
{
	char text[CPUS_TEXT_BYTES];
	cpu_set_t set;

	/* Shifted, so that the end falls on every place of a number. */
	for (int start = 0; start < 200; start++) {
		CPU_ZERO(&set);
		for (int cpu = start; cpu < CPU_SETSIZE; cpu += 2)
			CPU_SET(cpu, &set);
		cpus_format(&set, text);
		size_t length = strlen(text);
		ck_assert_uint_lt(length, CPUS_TEXT_BYTES);
		ck_assert_uint_gt(length, CPUS_TEXT_BYTES - 16);
		ck_assert_str_eq(text + length - strlen("…"), "…");
		text[length - strlen("…")] = '\0';
		ck_assert_msg(cpus_parse(text, &set, &fault) == 0, "%s", fault.text);
	}
}
END_TEST

/* ---- threads -------------------------------------------------------------------------- */

START_TEST(finds_the_cpus_of_a_thread)
{
	cpu_set_t set, expected;

	ck_assert_int_eq(cpus_of_thread(0, &set, &fault), 0);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(expected), &expected), 0);
	ck_assert(CPU_EQUAL(&set, &expected));
	ck_assert_int_eq(cpus_of_thread(INT32_MAX, &set, &fault), -ESRCH);
	ck_assert_ptr_nonnull(strstr(fault.text, "thread 2147483647"));
	ck_assert_int_eq(CPU_COUNT(&set), 0);
}
END_TEST

/* On every CPU of ours in turn, with a name that tries to mislead the reader of stat. */
START_TEST(finds_where_a_thread_ran_last)
{
	char name[16];
	cpu_set_t ours, one;

	prctl(PR_GET_NAME, name);
	prctl(PR_SET_NAME, "a) R 1 (b) 2");
	ck_assert_int_eq(cpus_of_thread(0, &ours, &fault), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &ours))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ck_assert_int_eq(cpus_use(&one, &fault), 0);
		ck_assert_int_eq(cpus_last_of_thread(getpid(), this_thread()), cpu);
	}
	ck_assert_int_eq(cpus_use(&ours, &fault), 0);
	prctl(PR_SET_NAME, name);
	ck_assert_int_eq(cpus_last_of_thread(getpid(), INT32_MAX), -ESRCH);
	ck_assert_int_eq(cpus_last_of_thread(INT32_MAX, INT32_MAX), -ESRCH);
}
END_TEST

START_TEST(refuses_cpus_that_are_not_there)
{
	cpu_set_t ours, none;

	ck_assert_int_eq(cpus_of_thread(0, &ours, &fault), 0);
	CPU_ZERO(&none);
	CPU_SET(CPU_SETSIZE - 1, &none);
	ck_assert_int_eq(cpus_use(&none, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "none of the CPUs \"1023\""));
	CPU_ZERO(&none);
	ck_assert_int_eq(cpus_use(&none, &fault), -EINVAL);
	ck_assert_int_eq(cpus_of_thread(0, &none, &fault), 0);
	ck_assert(CPU_EQUAL(&ours, &none)); /* and nothing has changed */
}
END_TEST

/* ---- priority ------------------------------------------------------------------------- */

struct seen {
	pid_t thread;
	int nice;
	int io_class, io_level;
	cpu_set_t cpus;
	pthread_t child;
	struct seen *of_child;
};

static void look(struct seen *s)
{
	int io = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);

	s->thread = this_thread();
	s->nice = getpriority(PRIO_PROCESS, (id_t)s->thread);
	s->io_class = IOPRIO_PRIO_CLASS(io);
	s->io_level = (int)IOPRIO_PRIO_DATA(io);
	sched_getaffinity(0, sizeof(s->cpus), &s->cpus);
}

static void *look_main(void *seen)
{
	look(seen);
	return NULL;
}

static int look_here_and_in_a_child(void *context, struct fault *f)
{
	struct seen *s = context;

	look(s);
	pthread_create(&s->child, NULL, look_main, s->of_child);
	pthread_join(s->child, NULL);
	return fault_set(f, -ENOTTY, "the answer");
}

START_TEST(calls_on_a_nice_thread_whose_threads_are_nice)
{
	struct seen before, after, child = {0}, called = {.of_child = &child};
	cpu_set_t ours, one;

	ck_assert_int_eq(cpus_of_thread(0, &ours, &fault), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &ours))
			CPU_SET(cpu, &one);
	ck_assert_int_eq(cpus_use(&one, &fault), 0);
	look(&before);
	ck_assert_int_eq(cpus_call(look_here_and_in_a_child, &called, &fault), -ENOTTY);
	ck_assert_str_eq(fault.text, "the answer");
	look(&after);
	ck_assert_int_eq(cpus_use(&ours, &fault), 0);
	ck_assert_int_ne(called.thread, before.thread);
	ck_assert_int_ge(called.nice, TRANSFER_NICE);
	ck_assert_int_ge(child.nice, TRANSFER_NICE);
	ck_assert_int_ge(called.io_class, IOPRIO_CLASS_BE);
	ck_assert_int_eq(child.io_class, called.io_class);
	ck_assert_int_eq(child.io_level, called.io_level);
	if (called.io_class == IOPRIO_CLASS_BE)
		ck_assert_int_ge(called.io_level, TRANSFER_IO_LEVEL);
	ck_assert(CPU_EQUAL(&called.cpus, &one) && CPU_EQUAL(&child.cpus, &one));
	/* The caller itself stays as it was. */
	ck_assert_int_eq(after.nice, before.nice);
	ck_assert_int_eq(after.io_class, before.io_class);
}
END_TEST

static void *be_nicer_main(void *seen)
{
	setpriority(PRIO_PROCESS, (id_t)this_thread(), 15);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	cpus_be_nice();
	look(seen);
	return NULL;
}

START_TEST(leaves_a_nicer_thread_as_it_is)
{
	struct seen seen;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, be_nicer_main, &seen), 0);
	pthread_join(thread, NULL);
	ck_assert_int_ge(seen.nice, 15);
	ck_assert_int_eq(seen.io_class, IOPRIO_CLASS_IDLE);
}
END_TEST

UNIT_MAIN("cpus", writes_what_it_reads, reads_lists_in_any_order, refuses_what_is_no_list,
	  reads_back_whatever_it_wrote, writes_nothing_for_no_cpu, cuts_a_list_that_is_too_long,
	  finds_the_cpus_of_a_thread, finds_where_a_thread_ran_last,
	  refuses_cpus_that_are_not_there, calls_on_a_nice_thread_whose_threads_are_nice,
	  leaves_a_nicer_thread_as_it_is)
