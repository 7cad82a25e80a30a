/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmguard/clock.h"

struct worker {
	struct jobs *jobs;
	pthread_t thread;
	struct job *job; /* runs; NULL: it waits for one, or has ended */
	bool late;	 /* nobody waits for it: it frees its job, and the last such worker all */
};

struct list {
	struct job *first;
	struct job **end; /* where the next one goes */
};

struct jobs {
	int fd;
	pthread_mutex_t mutex; /* guards all below; no other one is taken with it */
	pthread_cond_t work;   /* for workers: there is a job, or they are to end */
	pthread_cond_t over;   /* for jobs_close(): one is over */
	struct list queue, completed;
	unsigned idle, late;
	bool closing;
	unsigned count, max; /* of workers */
	struct worker workers[];
};

static void list_clear(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void list_push(struct list *l, struct job *j)
{
	j->next = NULL;
	*l->end = j;
	l->end = &j->next;
}

static struct job *list_pop(struct list *l)
{
	struct job *j = l->first;

	if (!j)
		return NULL;
	l->first = j->next;
	if (!l->first)
		l->end = &l->first;
	return j;
}

static void list_remove(struct list *l, const struct job *j)
{
	struct job **at = &l->first;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	if (!*at)
		l->end = at;
}

int jobs_open(unsigned workers_max, struct jobs **jobs, struct fault *f)
{
	struct jobs *s = calloc(1, sizeof(*s) + workers_max * sizeof(s->workers[0]));
	pthread_condattr_t monotonic;

	if (!s)
		return fault_errno(f, -ENOMEM, "keep %u worker threads", workers_max);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0) {
		free(s);
		return fault_errno(f, -errno, "make an eventfd for worker threads");
	}
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->over, &monotonic);
	pthread_condattr_destroy(&monotonic);
	list_clear(&s->queue);
	list_clear(&s->completed);
	s->max = workers_max;
	*jobs = s;
	return 0;
}

static void jobs_free(struct jobs *s)
{
	close(s->fd);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->over);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

int jobs_fd(const struct jobs *jobs)
{
	return jobs->fd;
}

bool job_is_stopped(const struct job *j)
{
	return __atomic_load_n(&j->stop, __ATOMIC_RELAXED);
}

/* With the mutex held. The counter of an eventfd cannot overflow here: EAGAIN does not happen. */
static void complete(struct jobs *s, struct job *j)
{
	list_push(&s->completed, j);
	eventfd_write(s->fd, 1);
}

/* Waits for the next job; NULL: this worker is to end. With the mutex held. */
static struct job *take(struct jobs *s)
{
	s->idle++;
	while (!s->queue.first && !s->closing)
		pthread_cond_wait(&s->work, &s->mutex);
	s->idle--;
	struct job *j = list_pop(&s->queue);
	if (j)
		j->queued = false;
	return j;
}

/* Of a worker that was left: true where it is the last one. With the mutex held. */
static bool end_late(struct jobs *s)
{
	return --s->late == 0;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	struct jobs *s = w->jobs;
	bool last = false;

	pthread_mutex_lock(&s->mutex);
	while (!w->late && (w->job = take(s))) {
		pthread_mutex_unlock(&s->mutex);
		int result = w->job->run(w->job);
		pthread_mutex_lock(&s->mutex);
		struct job *j = w->job;
		j->result = result;
		w->job = NULL;
		if (w->late) {
			pthread_mutex_unlock(&s->mutex);
			j->leave(j);
			pthread_mutex_lock(&s->mutex);
			last = end_late(s);
		} else {
			complete(s, j);
			pthread_cond_signal(&s->over);
		}
	}
	pthread_mutex_unlock(&s->mutex);
	if (last)
		jobs_free(s);
	return NULL;
}

/* One more worker; with the mutex held. */
static int hire(struct jobs *s)
{
	struct worker *w = &s->workers[s->count];

	w->jobs = s;
	int r = -pthread_create(&w->thread, NULL, work, w);
	if (!r)
		s->count++;
	return r;
}

static size_t length(const struct list *l)
{
	size_t n = 0;

	for (const struct job *j = l->first; j; j = j->next)
		n++;
	return n;
}

int jobs_add(struct jobs *jobs, struct job *j, struct fault *f)
{
	int r = 0;

	j->stop = j->result = 0;
	if (jobs->closing) /* only the loop writes it */
		return fault_set(f, -ESHUTDOWN,
				 "no more work is begun: the worker threads are being ended");
	pthread_mutex_lock(&jobs->mutex);
	if (length(&jobs->queue) >= jobs->idle && jobs->count < jobs->max)
		r = hire(jobs);
	/* Where there is a worker already, it will do. */
	if (r && !jobs->count) {
		pthread_mutex_unlock(&jobs->mutex);
		return fault_errno(f, r, "start a worker thread");
	}
	j->queued = true;
	list_push(&jobs->queue, j);
	pthread_cond_signal(&jobs->work);
	pthread_mutex_unlock(&jobs->mutex);
	return 0;
}

/* With the mutex held. */
static void drop(struct jobs *s, struct job *j)
{
	list_remove(&s->queue, j);
	j->queued = false;
	j->result = -ECANCELED;
	complete(s, j);
}

void jobs_cancel(struct jobs *jobs, struct job *j)
{
	__atomic_store_n(&j->stop, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&jobs->mutex);
	if (j->queued)
		drop(jobs, j);
	pthread_mutex_unlock(&jobs->mutex);
}

void jobs_dispatch(struct jobs *jobs)
{
	eventfd_t ignored;

	/* Read first: what is completed from here on makes it readable again. */
	eventfd_read(jobs->fd, &ignored);
	pthread_mutex_lock(&jobs->mutex);
	struct job *j = jobs->completed.first;
	list_clear(&jobs->completed);
	pthread_mutex_unlock(&jobs->mutex);
	while (j) {
		struct job *next = j->next;

		j->done(j);
		j = next;
	}
}

/* With the mutex held. */
static void cancel_all(struct jobs *s)
{
	while (s->queue.first) {
		__atomic_store_n(&s->queue.first->stop, 1, __ATOMIC_RELAXED);
		drop(s, s->queue.first);
	}
	for (unsigned i = 0; i < s->count; i++)
		if (s->workers[i].job)
			__atomic_store_n(&s->workers[i].job->stop, 1, __ATOMIC_RELAXED);
	s->closing = true;
	pthread_cond_broadcast(&s->work);
}

static unsigned count_busy(const struct jobs *s)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < s->count; i++)
		busy += s->workers[i].job != NULL;
	return busy;
}

/* Waits for those that run; who is not over then is late. With the mutex held. */
static void wait_for_busy(struct jobs *s, int64_t limit_ms)
{
	int64_t deadline_ms = monotonic_ms() + limit_ms;
	const struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};

	while (count_busy(s) && monotonic_ms() < deadline_ms)
		pthread_cond_timedwait(&s->over, &s->mutex, &until);
	for (unsigned i = 0; i < s->count; i++)
		s->workers[i].late = s->workers[i].job != NULL;
	s->late = count_busy(s);
}

unsigned jobs_close(struct jobs *jobs, int64_t limit_ms)
{
	struct jobs *s = jobs;

	if (!s)
		return 0;
	pthread_mutex_lock(&s->mutex);
	cancel_all(s);
	wait_for_busy(s, limit_ms);
	unsigned late = s->late++; /* ours too: nothing is freed under the rest of this */
	pthread_mutex_unlock(&s->mutex);
	/* What libraries keep for each thread must be gone before the process ends. */
	for (unsigned i = 0; i < s->count; i++)
		if (s->workers[i].late)
			pthread_detach(s->workers[i].thread);
		else
			pthread_join(s->workers[i].thread, NULL);
	jobs_dispatch(s);
	pthread_mutex_lock(&s->mutex);
	bool last = end_late(s);
	pthread_mutex_unlock(&s->mutex);
	if (last)
		jobs_free(s);
	return late;
}
