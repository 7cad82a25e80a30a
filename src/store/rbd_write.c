/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the head of an RBD image. librbd writes; a watchdog gives up writes it does not
 * finish in time, as it does not where a write waits for a lock that cannot be had.
 *
 *	store_write -> rbd_aio_writev -> write_over -> done
 *	                     `-- late: watchdog -----> done(-ETIMEDOUT), the image is lost
 */
#include "rbd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#include "rbd_fault.h"
#include "rbd_room.h"

enum { DISCARD_SEGMENTS = 32 }; /* in one call, which has its own time limit */

static void list_append(struct rbd_handle *h, struct rbd_write *job)
{
	job->previous = h->newest;
	if (h->newest)
		h->newest->next = job;
	else
		h->oldest = job;
	h->newest = job;
}

static void list_remove(struct rbd_handle *h, struct rbd_write *job)
{
	if (job->previous)
		job->previous->next = job->next;
	else
		h->oldest = job->next;
	if (job->next)
		job->next->previous = job->previous;
	else
		h->newest = job->previous;
}

/* Takes the caller's write off the job: whoever gets it calls `done`. Mutex held. */
static struct store_write *take_write(struct rbd_handle *h, struct rbd_write *job)
{
	if (job->write)
		list_remove(h, job);
	return give(job->write);
}

/* The last thing anyone does about a write: close waits for it, and frees the handle. */
static void end_write(struct rbd_handle *h)
{
	pthread_mutex_lock(&h->mutex);
	h->under_way--;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->mutex);
}

static void job_over(struct rbd_write *job, int result)
{
	struct rbd_handle *h = job->handle;

	pthread_mutex_lock(&h->mutex);
	struct store_write *w = take_write(h, job);
	h->lost |= result == -ETIMEDOUT;
	pthread_mutex_unlock(&h->mutex);
	free(job);
	if (!w) {
		rbd_handle_unref_soon(h);
		return;
	}
	/* How librbd says that it has no lock any more. */
	w->done(w, result == -EROFS ? -ESHUTDOWN : result);
	/* Not the last reference: close drops its own only when no write is under way. */
	rbd_handle_unref_soon(h);
	end_write(h);
}

static void write_over(rbd_completion_t completion, void *argument)
{
	ssize_t result = rbd_aio_get_return_value(completion);

	rbd_aio_release(completion);
	job_over(argument, result < 0 ? (int)result : 0);
}

static bool is_writable(struct rbd_store_image *image, const struct store_write *w, int *code)
{
	struct rbd_handle *h = image->handle;

	pthread_mutex_lock(&h->mutex);
	if (h->lost)
		*code = -ETIMEDOUT;
	else if (h->full)
		*code = h->full;
	else if (w->segment >= image->segments || w->bytes > STORE_SEGMENT_BYTES)
		*code = -EFBIG;
	else
		*code = 0;
	pthread_mutex_unlock(&h->mutex);
	return *code == 0;
}

static struct rbd_write *job_new(struct rbd_handle *h, struct store_write *w)
{
	struct rbd_write *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->write = w;
	job->handle = rbd_handle_ref(h);
	pthread_mutex_lock(&h->mutex);
	job->deadline_ms = monotonic_ms() + rbd_limit_ms(h->cluster->location.timeout_seconds);
	list_append(h, job);
	h->under_way++;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->mutex);
	return job;
}

/*
 * What is to be written. A block that is encrypted in part would first be read by librbd, so the
 * last one is filled up: what a segment holds beyond its end is anybody's.
 */
static int split_write(struct rbd_write *job, const struct store_write *w, struct iovec parts[2])
{
	size_t rest = job->handle->encrypted ? w->bytes % RBD_BLOCK_BYTES : 0;

	/* rbd_aio_writev() only reads. */
	parts[0] = (struct iovec){(void *)(uintptr_t)w->data, w->bytes - rest};
	parts[1] = (struct iovec){job->tail, sizeof(job->tail)};
	if (rest)
		memcpy(job->tail, (const uint8_t *)w->data + parts[0].iov_len, rest);
	if (!parts[0].iov_len)
		parts[0] = parts[1];
	return rest && parts[0].iov_base != job->tail ? 2 : 1;
}

void rbd_store_write(struct store_image *base, struct store_write *w)
{
	struct rbd_store_image *image = rbd_image_of(base);
	rbd_completion_t completion;
	int r;

	assert(image->writable);
	if (!is_writable(image, w, &r)) {
		w->done(w, r);
		return;
	}
	struct iovec parts[2];
	uint64_t at = w->segment * STORE_SEGMENT_BYTES;
	struct rbd_write *job = job_new(image->handle, w);
	if (!job) {
		w->done(w, -ENOMEM);
		return;
	}
	r = rbd_aio_create_completion(job, write_over, &completion);
	if (r < 0) {
		job_over(job, r);
		return;
	}
	int count = split_write(job, w, parts);
	r = rbd_aio_writev(image->handle->image, parts, count, at, completion);
	if (r < 0) {
		rbd_aio_release(completion);
		job_over(job, r);
	}
}

/* Gives up the oldest write. Called with the mutex held, which it gives up meanwhile. */
static void give_up_oldest(struct rbd_handle *h)
{
	struct store_write *w = take_write(h, h->oldest);

	h->lost = true;
	pthread_mutex_unlock(&h->mutex);
	w->done(w, -ETIMEDOUT);
	pthread_mutex_lock(&h->mutex);
	h->under_way--;
}

/* Until something changes, the oldest write is late, or it is time to look again. */
static void wait_for_change(struct rbd_handle *h)
{
	int64_t until_ms = monotonic_ms() + RBD_ROOM_INTERVAL_MS;

	if (!h->oldest && !h->full) {
		pthread_cond_wait(&h->changed, &h->mutex);
		return;
	}
	if (h->oldest && h->oldest->deadline_ms < until_ms)
		until_ms = h->oldest->deadline_ms;
	struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
	pthread_cond_timedwait(&h->changed, &h->mutex, &until);
}

static bool is_time_to_look(const struct rbd_handle *h, int64_t next_look_ms)
{
	return (h->oldest || h->full) && !h->looking && !h->closing &&
	       monotonic_ms() >= next_look_ms;
}

static void *run_watchdog(void *argument)
{
	struct rbd_handle *h = argument;
	int64_t next_look_ms = 0;

	pthread_mutex_lock(&h->mutex);
	while (!h->closing || h->under_way || h->looking) {
		if (h->oldest && monotonic_ms() >= h->oldest->deadline_ms) {
			give_up_oldest(h);
		} else if (is_time_to_look(h, next_look_ms)) {
			next_look_ms = monotonic_ms() + RBD_ROOM_INTERVAL_MS;
			pthread_mutex_unlock(&h->mutex);
			rbd_room_look(h);
			pthread_mutex_lock(&h->mutex);
		} else {
			wait_for_change(h);
		}
	}
	pthread_mutex_unlock(&h->mutex);
	return NULL;
}

int rbd_watchdog_start(struct rbd_store_image *image, struct fault *f)
{
	int r = pthread_create(&image->watchdog, NULL, run_watchdog, image->handle);

	if (r)
		return fault_errno(f, -r, "start the watchdog of %s", image->base.guest);
	image->has_watchdog = true;
	return 0;
}

void rbd_watchdog_stop(struct rbd_store_image *image)
{
	struct rbd_handle *h = image->handle;

	if (!image->has_watchdog)
		return;
	pthread_mutex_lock(&h->mutex);
	h->closing = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->mutex);
	pthread_join(image->watchdog, NULL);
}

int rbd_check_lost(struct rbd_store_image *image, struct fault *f)
{
	struct rbd_handle *h = image->handle;

	pthread_mutex_lock(&h->mutex);
	bool lost = h->lost;
	pthread_mutex_unlock(&h->mutex);
	if (!lost)
		return 0;
	return fault_set(
		f, -ETIMEDOUT,
		"the Ceph cluster did not answer in time before: open the image of %s again",
		image->base.guest);
}

static int note_object(uint64_t offset, size_t bytes, int exists, void *map)
{
	for (size_t i = 0; exists && i < bytes; i += STORE_SEGMENT_BYTES)
		((uint8_t *)map)[(offset + i) / STORE_SEGMENT_BYTES] = 1;
	return 0;
}

static int discard_run(struct rbd_call *c, uint64_t first, uint64_t count)
{
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	int r = rbd_discard(c->handle->image, first * STORE_SEGMENT_BYTES,
			    count * STORE_SEGMENT_BYTES);

	return r < 0 ? r : 0;
}

/*
 * Discards the objects that exist, as the object map knows them: a client whose writes are
 * limited (rbd_qos_write_bps_limit) pays for each discarded byte, also where nothing is.
 */
static int discard_existing(struct rbd_call *c, const uint8_t *map)
{
	uint64_t end = c->first + c->count;

	for (uint64_t at = c->first; at < end; at++) {
		uint64_t count = 0;

		while (at + count < end && map[at + count] && count < DISCARD_SEGMENTS)
			count++;
		int r = count ? discard_run(c, at, count) : 0;
		if (r < 0)
			return r;
		at += count ? count - 1 : 0;
	}
	return 0;
}

static int note_objects(struct rbd_call *c, uint8_t *map)
{
	/* librbd 16.2 then counts what exists from the header on, and versions differ. */
	if (c->handle->encrypted) {
		memset(map + c->first, 1, c->count);
		return 0;
	}
	return rbd_diff_iterate2(c->handle->image, NULL, c->first * STORE_SEGMENT_BYTES,
				 c->count * STORE_SEGMENT_BYTES, 1, 1, note_object, map);
}

static int run_discard(struct rbd_call *c)
{
	auto_free uint8_t *map = calloc(1, c->first + c->count);
	int r = map ? note_objects(c, map) : -ENOMEM;

	if (r >= 0)
		r = discard_existing(c, map);
	if (r < 0)
		return rbd_fault(&c->fault, r == -EROFS ? -ESHUTDOWN : r, &c->cluster->location,
				 "discard segments of %s/%s", c->cluster->location.pool, c->image);
	return 0;
}

int rbd_store_discard(struct store_image *base, uint64_t first, uint64_t count, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = rbd_image_call(image, run_discard);
	int r = rbd_check_lost(image, f);

	assert(image->writable);
	if (r < 0 || first >= image->segments)
		return r;
	c.first = first;
	c.count = count < image->segments - first ? count : image->segments - first;
	r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "free segments of %s", base->guest) : 0;
}

static int run_flush(struct rbd_call *c)
{
	int r = rbd_flush(c->handle->image);

	return r < 0 ? rbd_fault(&c->fault, r == -EROFS ? -ESHUTDOWN : r, &c->cluster->location,
				 "flush %s/%s", c->cluster->location.pool, c->image)
		     : 0;
}

int rbd_store_flush(struct store_image *base, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = rbd_image_call(image, run_flush);
	int r = rbd_check_lost(image, f);

	assert(image->writable);
	return r < 0 ? r : rbd_call(&c, f);
}
