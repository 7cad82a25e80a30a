/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/deadline.h"

#include <errno.h>
#include <time.h>

#include "vmguard/clock.h"

/* Guards what struct deadline_call says is ours, of all calls; held for a few instructions. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int deadline_detach(void *(*run)(void *argument), void *argument)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run, argument);

	if (r == 0)
		pthread_detach(thread);
	return -r;
}

static void *run_call(void *argument)
{
	struct deadline_call *c = argument;
	int result = c->run(c);

	pthread_mutex_lock(&mutex);
	c->result = result;
	c->over = true;
	bool late = c->late;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&mutex);
	if (late) {
		pthread_cond_destroy(&c->changed);
		c->free(c, true);
	}
	return NULL;
}

/* Whether it is over; otherwise it is late from now on. */
static bool wait_until_over(struct deadline_call *c)
{
	pthread_mutex_lock(&mutex);
	while (!c->over && monotonic_ms() < c->deadline_ms) {
		struct timespec until = {c->deadline_ms / 1000, c->deadline_ms % 1000 * 1000000};

		pthread_cond_timedwait(&c->changed, &mutex, &until);
	}
	bool over = c->over;
	c->late = !over;
	pthread_mutex_unlock(&mutex);
	return over;
}

int deadline_run(struct deadline_call *c, int64_t limit_ms)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	c->over = c->late = false;
	c->deadline_ms = monotonic_ms() + limit_ms;
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, run_call, c);
	if (!r && !wait_until_over(c)) {
		pthread_detach(thread);
		return -ETIMEDOUT; /* the condition is the thread's too */
	}
	/* What libraries keep for each thread must be gone before the process ends. */
	if (!r)
		pthread_join(thread, NULL);
	pthread_cond_destroy(&c->changed);
	return r;
}

void deadline_extend(struct deadline_call *c, int64_t ms)
{
	pthread_mutex_lock(&mutex);
	c->deadline_ms = monotonic_ms() + ms;
	pthread_mutex_unlock(&mutex);
}
