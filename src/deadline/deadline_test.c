/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/deadline.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#include "unit.h"

enum { LONG_MS = 60000, SHORT_MS = 20, MOVED_MS = 1000 };

struct call {
	struct deadline_call base;
	sem_t *go; /* run() waits for it; NULL: it does not */
	int64_t extend_ms;
};

static sem_t go, freed;
static bool freed_unwanted;

static int run(struct deadline_call *base)
{
	struct call *c = (struct call *)base;

	if (c->extend_ms)
		deadline_extend(base, c->extend_ms);
	while (c->go && sem_wait(c->go) < 0)
		;
	return -EXDEV;
}

static void free_call(struct deadline_call *base, bool unwanted)
{
	freed_unwanted = unwanted;
	free(base);
	sem_post(&freed);
}

static struct call *call_new(void)
{
	struct call *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	c->base.run = run;
	c->base.free = free_call;
	sem_init(&go, 0, 0);
	sem_init(&freed, 0, 0);
	return c;
}

START_TEST(gives_the_result_of_a_call_that_returns)
{
	struct call *c = call_new();

	ck_assert_int_eq(deadline_run(&c->base, LONG_MS), 0);
	ck_assert_int_eq(c->base.result, -EXDEV);
	c->base.free(&c->base, false);
}
END_TEST

START_TEST(leaves_a_late_call_to_free_itself)
{
	struct call *c = call_new();

	c->go = &go;
	ck_assert_int_eq(deadline_run(&c->base, SHORT_MS), -ETIMEDOUT);
	ck_assert_int_eq(sem_trywait(&freed), -1);
	sem_post(&go);
	while (sem_wait(&freed) < 0)
		;
	ck_assert(freed_unwanted);
}
END_TEST

static void *let_go(void *unused)
{
	struct timespec pause = {2 * MOVED_MS / 1000, 0};

	nanosleep(&pause, NULL);
	sem_post(&go);
	return unused;
}

START_TEST(a_call_can_move_its_deadline)
{
	struct call *c = call_new();

	c->go = &go;
	c->extend_ms = LONG_MS;
	ck_assert_int_eq(deadline_detach(let_go, NULL), 0);
	ck_assert_int_eq(deadline_run(&c->base, MOVED_MS), 0);
	c->base.free(&c->base, false);
}
END_TEST

UNIT_MAIN("deadline", gives_the_result_of_a_call_that_returns, leaves_a_late_call_to_free_itself,
	  a_call_can_move_its_deadline)
