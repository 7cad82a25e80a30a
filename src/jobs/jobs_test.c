/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/jobs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "unit.h"
#include "vmguard/clock.h"

enum { LONG_MS = 60000, MANY = 2000 };

static struct jobs *jobs;
static unsigned done_count, again;
static int last_result;
static pthread_t done_in;
static unsigned running, running_most, left_count; /* atomic */
static sem_t begun, go, left;

struct test_job {
	struct job base;
	unsigned number;
	bool waits; /* for `go` */
};

static void begin(unsigned workers)
{
	struct fault f = {0};

	done_count = again = running = running_most = left_count = 0;
	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&left, 0, 0);
	ck_assert_msg(!jobs_open(workers, &jobs, &f), "%s", f.text);
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		;
}

static void note_most(unsigned now)
{
	unsigned most = __atomic_load_n(&running_most, __ATOMIC_SEQ_CST);

	while (now > most && !__atomic_compare_exchange_n(&running_most, &most, now, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static int run(struct job *base)
{
	struct test_job *j = (struct test_job *)base;

	note_most(__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST));
	if (j->waits) {
		sem_post(&begun);
		wait_for(&go);
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return -(int)j->number;
}

/* As a capture does: it looks at its flag. */
static int run_until_stopped(struct job *base)
{
	sem_post(&begun);
	while (!job_is_stopped(base))
		sched_yield();
	return -EINTR;
}

static void add(unsigned number, bool waits);

static void done(struct job *base)
{
	done_in = pthread_self();
	last_result = base->result;
	done_count++;
	free(base);
	if (again) {
		again--;
		add(0, false);
	}
}

static void leave(struct job *base)
{
	free(base);
	__atomic_add_fetch(&left_count, 1, __ATOMIC_SEQ_CST);
	sem_post(&left);
}

static struct test_job *job_new(int (*what)(struct job *), unsigned number, bool waits)
{
	struct test_job *j = calloc(1, sizeof(*j));
	struct fault f = {0};

	ck_assert_ptr_nonnull(j);
	j->base = (struct job){.run = what, .done = done, .leave = leave};
	j->number = number;
	j->waits = waits;
	ck_assert_msg(!jobs_add(jobs, &j->base, &f), "%s", f.text);
	return j;
}

static void add(unsigned number, bool waits)
{
	job_new(run, number, waits);
}

static void dispatch_until(unsigned count)
{
	int64_t deadline_ms = monotonic_ms() + LONG_MS;

	while (done_count < count && monotonic_ms() < deadline_ms) {
		struct pollfd p = {.fd = jobs_fd(jobs), .events = POLLIN};

		poll(&p, 1, LONG_MS);
		jobs_dispatch(jobs);
	}
	ck_assert_uint_eq(done_count, count);
}

START_TEST(a_completion_comes_back_to_the_loop)
{
	begin(2);
	add(7, false);
	dispatch_until(1);
	ck_assert_int_eq(last_result, -7);
	ck_assert(pthread_equal(done_in, pthread_self()));
	ck_assert_uint_eq(jobs_close(jobs, LONG_MS), 0);
}
END_TEST

START_TEST(no_more_run_at_a_time_than_there_are_workers)
{
	begin(3);
	for (int i = 0; i < 6; i++)
		add(0, true);
	for (int i = 0; i < 3; i++)
		wait_for(&begun);
	ck_assert_int_eq(sem_trywait(&begun), -1);
	for (int i = 0; i < 6; i++)
		sem_post(&go);
	dispatch_until(6);
	ck_assert_uint_eq(running_most, 3);
	jobs_close(jobs, LONG_MS);
}
END_TEST

START_TEST(each_of_many_is_done_once_and_may_add_another)
{
	begin(4);
	again = MANY;
	for (unsigned i = 0; i < MANY; i++)
		add(i, false);
	dispatch_until(2 * MANY);
	jobs_close(jobs, LONG_MS);
	ck_assert_uint_eq(done_count, 2 * MANY);
}
END_TEST

START_TEST(one_that_runs_is_asked_to_end)
{
	begin(1);
	struct test_job *j = job_new(run_until_stopped, 0, false);

	wait_for(&begun);
	jobs_cancel(jobs, &j->base);
	dispatch_until(1);
	ck_assert_int_eq(last_result, -EINTR);
	jobs_close(jobs, LONG_MS);
}
END_TEST

START_TEST(one_that_was_cancelled_before_it_began_never_runs)
{
	begin(1);
	add(1, true);
	wait_for(&begun);
	struct test_job *first = job_new(run, 2, false);
	struct test_job *last = job_new(run, 3, false);
	jobs_cancel(jobs, &last->base);
	jobs_cancel(jobs, &first->base);
	dispatch_until(2);
	ck_assert_int_eq(last_result, -ECANCELED);
	sem_post(&go);
	dispatch_until(3);
	ck_assert_int_eq(last_result, -1);
	add(4, false); /* the queue still takes */
	dispatch_until(4);
	ck_assert_int_eq(last_result, -4);
	jobs_close(jobs, LONG_MS);
}
END_TEST

START_TEST(closing_ends_what_runs_and_what_waits)
{
	begin(1);
	job_new(run_until_stopped, 0, false);
	wait_for(&begun);
	add(1, false);
	add(2, false);
	ck_assert_uint_eq(jobs_close(jobs, LONG_MS), 0);
	ck_assert_uint_eq(done_count, 3);
}
END_TEST

static void add_refused(struct job *base)
{
	struct fault f = {0};

	ck_assert_int_eq(jobs_add(jobs, base, &f), -ESHUTDOWN);
	done(base);
}

START_TEST(nothing_is_begun_while_closing)
{
	begin(1);
	job_new(run_until_stopped, 0, false)->base.done = add_refused;
	wait_for(&begun);
	ck_assert_uint_eq(jobs_close(jobs, LONG_MS), 0);
	ck_assert_uint_eq(done_count, 1);
}
END_TEST

START_TEST(closing_leaves_what_is_late)
{
	begin(3);
	add(1, true);
	add(2, true);
	wait_for(&begun);
	wait_for(&begun);
	add(3, false);
	dispatch_until(1);
	ck_assert_uint_eq(jobs_close(jobs, 1), 2);
	ck_assert_uint_eq(left_count, 0);
	sem_post(&go);
	sem_post(&go);
	wait_for(&left);
	wait_for(&left);
	ck_assert_uint_eq(done_count, 1);
}
END_TEST

START_TEST(closing_what_never_worked_is_fine)
{
	begin(8);
	ck_assert_uint_eq(jobs_close(jobs, LONG_MS), 0);
	ck_assert_uint_eq(jobs_close(NULL, LONG_MS), 0);
}
END_TEST

UNIT_MAIN("jobs", a_completion_comes_back_to_the_loop, no_more_run_at_a_time_than_there_are_workers,
	  each_of_many_is_done_once_and_may_add_another, one_that_runs_is_asked_to_end,
	  one_that_was_cancelled_before_it_began_never_runs, closing_ends_what_runs_and_what_waits,
	  nothing_is_begun_while_closing, closing_leaves_what_is_late,
	  closing_what_never_worked_is_fine)
