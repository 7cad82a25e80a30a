/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls with a deadline, and the references that keep what a late one uses. */
#include "rbd_call.h"

#include <errno.h>
#include <time.h>

#include "key.h"
#include "rbd_fault.h"
#include "vmguard/deadline.h"

/* Guards the references; held for a few instructions only. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct rbd_running {
	struct deadline_call base;
	struct rbd_call call;
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
		deadline_detach(run_handle_free, handle);
}

void rbd_texts_free(struct rbd_text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i].text);
	free(texts);
}

/* Frees a call and what it found out for nobody. */
static void running_free(struct deadline_call *base, bool unwanted)
{
	struct rbd_call *c = &((struct rbd_running *)base)->call;

	if (unwanted) {
		free(c->ids);
		free(c->holders);
		free(c->names);
		rbd_texts_free(c->texts, c->texts ? c->found : 0);
		if (c->opened)
			rbd_handle_unref(c->opened);
	}
	free(c->old_text);
	free(c->new_text);
	if (c->handle)
		rbd_handle_unref(c->handle);
	if (c->cluster)
		rbd_cluster_unref(c->cluster);
	free(base);
}

static int run_call(struct deadline_call *base)
{
	struct rbd_call *c = &((struct rbd_running *)base)->call;

	return c->run(c);
}

static struct rbd_running *running_new(const struct rbd_call *c)
{
	struct rbd_running *running = calloc(1, sizeof(*running));

	if (!running)
		return NULL;
	running->base.run = run_call;
	running->base.free = running_free;
	running->call = *c;
	running->call.running = running;
	if (c->cluster)
		rbd_cluster_ref(c->cluster);
	if (c->handle)
		rbd_handle_ref(c->handle);
	return running;
}

void rbd_call_extend(struct rbd_call *c, int64_t ms)
{
	deadline_extend(&c->running->base, ms);
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

	if (!running) {
		free(c->old_text);
		free(c->new_text);
	}
	if (!running)
		return fault_errno(f, -ENOMEM, "call librbd");
	int r = deadline_run(&running->base, rbd_limit_ms(c->timeout_seconds));
	if (r == -ETIMEDOUT)
		return fault_late(c, f);
	if (r < 0) {
		running_free(&running->base, true);
		return fault_errno(f, r, "start a thread to call librbd");
	}
	r = running->base.result;
	if (r < 0)
		*f = running->call.fault;
	*c = running->call;
	running_free(&running->base, false);
	return r;
}
