/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls with a deadline, and the references that keep what a late one uses. */
#include "rbd_call.h"

#include <errno.h>
#include <time.h>

#include "key.h"
#include "rbd_fault.h"

/* Guards the references and struct rbd_running; held for a few instructions only. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct rbd_running {
	struct rbd_call call;
	int result;
	int64_t deadline_ms;
	pthread_cond_t changed;
	bool over;
	bool late; /* its caller has gone */
};

int64_t rbd_limit_ms(int timeout_seconds)
{
	return (int64_t)timeout_seconds * 2000 + 500;
}

struct rbd_cluster *rbd_cluster_ref(struct rbd_cluster *cluster)
{
	pthread_mutex_lock(&mutex);
	cluster->refs++;
	pthread_mutex_unlock(&mutex);
	return cluster;
}

void rbd_cluster_unref(struct rbd_cluster *cluster)
{
	pthread_mutex_lock(&mutex);
	bool last = --cluster->refs == 0;
	pthread_mutex_unlock(&mutex);
	if (!last)
		return;
	if (cluster->has_io)
		rados_ioctx_destroy(cluster->io);
	if (cluster->has_rados)
		rados_shutdown(cluster->rados);
	store_key_wipe(cluster->key);
	free(cluster);
}

struct rbd_handle *rbd_handle_new(struct rbd_cluster *cluster)
{
	struct rbd_handle *handle = calloc(1, sizeof(*handle));
	pthread_condattr_t monotonic;

	if (!handle)
		return NULL;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&handle->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&handle->mutex, NULL);
	handle->cluster = rbd_cluster_ref(cluster);
	handle->refs = 1;
	return handle;
}

struct rbd_handle *rbd_handle_ref(struct rbd_handle *handle)
{
	pthread_mutex_lock(&mutex);
	handle->refs++;
	pthread_mutex_unlock(&mutex);
	return handle;
}

static void handle_free(struct rbd_handle *handle)
{
	if (handle->is_open)
		rbd_close(handle->image);
	/* Last, so that while it has the lock it has a name. */
	if (*handle->record)
		rados_rmxattr(handle->cluster->io, handle->header, handle->record);
	rbd_cluster_unref(handle->cluster);
	pthread_cond_destroy(&handle->changed);
	pthread_mutex_destroy(&handle->mutex);
	free(handle);
}

static void *run_handle_free(void *argument)
{
	handle_free(argument);
	return NULL;
}

static int start_detached(void *(*run)(void *argument), void *argument)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run, argument);

	if (r == 0)
		pthread_detach(thread);
	return -r;
}

static bool handle_is_last(struct rbd_handle *handle)
{
	pthread_mutex_lock(&mutex);
	bool last = --handle->refs == 0;
	pthread_mutex_unlock(&mutex);
	return last;
}

void rbd_handle_unref(struct rbd_handle *handle)
{
	if (handle_is_last(handle))
		handle_free(handle);
}

void rbd_handle_unref_soon(struct rbd_handle *handle)
{
	/* Without a thread it is a leak, which is better than librbd waiting for itself. */
	if (handle_is_last(handle))
		start_detached(run_handle_free, handle);
}

/* Frees a call and what it found out for nobody. */
static void running_free(struct rbd_running *running, bool unwanted)
{
	struct rbd_call *c = &running->call;

	if (unwanted) {
		free(c->ids);
		free(c->holders);
		free(c->names);
		if (c->opened)
			rbd_handle_unref(c->opened);
	}
	if (c->handle)
		rbd_handle_unref(c->handle);
	if (c->cluster)
		rbd_cluster_unref(c->cluster);
	pthread_cond_destroy(&running->changed);
	free(running);
}

static void *run_call(void *argument)
{
	struct rbd_running *running = argument;
	int result = running->call.run(&running->call);

	pthread_mutex_lock(&mutex);
	running->result = result;
	running->over = true;
	bool late = running->late;
	pthread_cond_signal(&running->changed);
	pthread_mutex_unlock(&mutex);
	if (late)
		running_free(running, true);
	return NULL;
}

static struct rbd_running *running_new(const struct rbd_call *c)
{
	struct rbd_running *running = calloc(1, sizeof(*running));
	pthread_condattr_t monotonic;

	if (!running)
		return NULL;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&running->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	running->call = *c;
	running->call.running = running;
	running->deadline_ms = monotonic_ms() + rbd_limit_ms(c->timeout_seconds);
	if (c->cluster)
		rbd_cluster_ref(c->cluster);
	if (c->handle)
		rbd_handle_ref(c->handle);
	return running;
}

void rbd_call_extend(struct rbd_call *c, int64_t ms)
{
	pthread_mutex_lock(&mutex);
	c->running->deadline_ms = monotonic_ms() + ms;
	pthread_mutex_unlock(&mutex);
}

/* Whether it is over; otherwise it is late from now on. */
static bool wait_until_over(struct rbd_running *running)
{
	pthread_mutex_lock(&mutex);
	while (!running->over && monotonic_ms() < running->deadline_ms) {
		struct timespec until = {running->deadline_ms / 1000,
					 running->deadline_ms % 1000 * 1000000};

		pthread_cond_timedwait(&running->changed, &mutex, &until);
	}
	bool over = running->over;
	running->late = !over;
	pthread_mutex_unlock(&mutex);
	return over;
}

static int fault_late(struct rbd_call *c, struct fault *f)
{
	if (c->handle) {
		pthread_mutex_lock(&c->handle->mutex);
		c->handle->lost = true;
		pthread_mutex_unlock(&c->handle->mutex);
	}
	return rbd_fault_late(f, c->timeout_seconds);
}

int rbd_call(struct rbd_call *c, struct fault *f)
{
	struct rbd_running *running = running_new(c);

	if (!running)
		return fault_errno(f, -ENOMEM, "call librbd");
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, run_call, running);
	if (r < 0) {
		running_free(running, true);
		return fault_errno(f, r, "start a thread to call librbd");
	}
	if (!wait_until_over(running)) {
		pthread_detach(thread);
		return fault_late(c, f);
	}
	/* What Ceph's libraries keep for each thread must be gone before the process ends. */
	pthread_join(thread, NULL);
	r = running->result;
	if (r < 0)
		*f = running->call.fault;
	*c = running->call;
	running_free(running, false);
	return r;
}
