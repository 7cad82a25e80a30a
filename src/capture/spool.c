/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "vmguard/clock.h"
#include "vmguard/cpus.h"

enum {
	/*
	 * A store may copy each write that is under way, on top of the limit. 16 keep a cluster
	 * busy; a spool of less than 128 MiB has fewer, so that this adds at most a half to it and
	 * leaves the other half to the reader, but never less than 4.
	 */
	WRITES_MAX = 16,
	WRITES_MIN = 4,
	SLAB_HEAD_BYTES = 4096, /* struct slab, then the segment */
	SLAB_BYTES = SLAB_HEAD_BYTES + STORE_SEGMENT_BYTES,
};

/* A buffer; it is on the free list, with the reader, in the queue or being written. */
struct slab {
	struct store_write write; /* first: the store hands it back */
	struct spool *spool;
	struct slab *next;     /* on the free list, or in the queue */
	struct slab *next_all; /* of all that were made */
};

struct spool {
	struct image_buffers buffers; /* first: the image hands it back */
	struct store_image *image;
	pthread_t writer;

	pthread_mutex_t lock; /* guards all below; no other lock is taken under it */
	pthread_cond_t room;  /* take(): a slab came back, or nothing more will be written */
	pthread_cond_t work;  /* writer: the queue, under_way or ending changed */
	pthread_cond_t idle;  /* spool_drain(): the last write is done */
	struct slab *all, *free;
	struct slab *queue, **queue_end;
	uint64_t slabs_max; /* the limit */
	uint64_t rate;	    /* bytes a second; 0: no limit */
	int64_t paid_us;    /* up to this moment the rate is used up */
	uint64_t in_use, in_use_max;
	unsigned under_way;
	bool ending, cancelled;
	int result; /* of the first write that failed, */
	uint64_t result_segment;
	int64_t full_us;
	uint64_t put_bytes, written_bytes, writes;
	cpu_set_t cpus;
};

static uint8_t *slab_bytes(struct slab *s)
{
	return (uint8_t *)s + SLAB_HEAD_BYTES;
}

static struct slab *slab_of(uint8_t *bytes)
{
	return (struct slab *)(void *)(bytes - SLAB_HEAD_BYTES);
}

/* Locked. A guest's memory does not belong into a core dump. */
static struct slab *slab_new(struct spool *s)
{
	struct slab *slab =
		mmap(NULL, SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (slab == MAP_FAILED)
		return NULL;
	madvise(slab, SLAB_BYTES, MADV_DONTDUMP);
	slab->spool = s;
	slab->next_all = s->all;
	s->all = slab;
	return slab;
}

/* Locked. */
static bool is_over(const struct spool *s)
{
	return s->cancelled || s->result < 0;
}

/* Locked: the store is full, and what else there is will only be counted. */
static bool counts_on(const struct spool *s)
{
	return !s->cancelled && (s->result == -ENOSPC || s->result == -EDQUOT);
}

/* Locked. */
static void give_back(struct spool *s, struct slab *slab)
{
	slab->next = s->free;
	s->free = slab;
	s->in_use--;
	pthread_cond_signal(&s->room);
}

static void wait_for_room(struct spool *s)
{
	int64_t since = clock_us(CLOCK_MONOTONIC);

	while (s->in_use >= s->slabs_max && (!is_over(s) || counts_on(s)))
		pthread_cond_wait(&s->room, &s->lock);
	s->full_us += clock_us(CLOCK_MONOTONIC) - since;
}

static uint8_t *spool_take(struct image_buffers *b)
{
	struct spool *s = (struct spool *)b;
	struct slab *slab = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->in_use >= s->slabs_max)
		wait_for_room(s);
	if (!is_over(s) || counts_on(s)) {
		slab = s->free;
		if (slab)
			s->free = slab->next;
		else
			slab = slab_new(s);
	}
	if (slab && ++s->in_use > s->in_use_max)
		s->in_use_max = s->in_use;
	pthread_mutex_unlock(&s->lock);
	return slab ? slab_bytes(slab) : NULL;
}

static void write_done(struct store_write *w, int result)
{
	struct slab *slab = (struct slab *)w;
	struct spool *s = slab->spool;

	pthread_mutex_lock(&s->lock);
	s->under_way--;
	CPU_SET(sched_getcpu(), &s->cpus);
	if (result >= 0)
		s->written_bytes += w->bytes;
	if (result < 0 && !s->result) {
		s->result = result;
		s->result_segment = w->segment;
		pthread_cond_broadcast(&s->room);
	}
	give_back(s, slab);
	pthread_cond_signal(&s->work);
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

static void spool_put(struct image_buffers *b, uint64_t segment, uint8_t *buffer, size_t bytes)
{
	struct spool *s = (struct spool *)b;
	struct slab *slab = slab_of(buffer);

	slab->write = (struct store_write){
		.segment = segment, .data = buffer, .bytes = bytes, .done = write_done};
	slab->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->queue_end = slab;
	s->queue_end = &slab->next;
	s->put_bytes += bytes;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

/* Locked: the first of the queue, which is not empty. */
static struct slab *leave_queue(struct spool *s)
{
	struct slab *slab = s->queue;

	s->queue = slab->next;
	if (!s->queue)
		s->queue_end = &s->queue;
	return slab;
}

static int64_t cost_us(const struct spool *s, uint64_t bytes)
{
	return (int64_t)(bytes * 1000000 / s->rate);
}

/*
 * Locked: pays for a write, if the rate allows it now; else waits until it does, or something else
 * happens. A bucket that is empty at first and holds one segment: a write waits until its bytes
 * have come together.
 */
static bool pay(struct spool *s, uint64_t bytes)
{
	if (!s->rate)
		return true;
	int64_t now = clock_us(CLOCK_MONOTONIC);
	int64_t oldest = now - cost_us(s, STORE_SEGMENT_BYTES);
	int64_t paid = (s->paid_us > oldest ? s->paid_us : oldest) + cost_us(s, bytes);

	if (paid <= now) {
		s->paid_us = paid;
		return true;
	}
	const struct timespec until = {paid / 1000000, paid % 1000000 * 1000};
	pthread_cond_clockwait(&s->work, &s->lock, CLOCK_MONOTONIC, &until);
	return false;
}

/* Locked; not while the store has the write. */
static void start_write(struct spool *s)
{
	struct slab *slab = leave_queue(s);

	s->under_way++;
	s->writes++;
	CPU_SET(sched_getcpu(), &s->cpus);
	pthread_mutex_unlock(&s->lock);
	store_write(s->image, &slab->write);
	pthread_mutex_lock(&s->lock);
}

/* Locked. */
static uint64_t writes_max(const struct spool *s)
{
	uint64_t half = s->slabs_max / 2;

	return half < WRITES_MIN ? WRITES_MIN : half < WRITES_MAX ? half : WRITES_MAX;
}

static void *writer_main(void *spool)
{
	struct spool *s = spool;

	cpus_be_nice();
	pthread_mutex_lock(&s->lock);
	while (!s->ending || s->queue) {
		if (s->queue && is_over(s)) {
			give_back(s, leave_queue(s));
			pthread_cond_broadcast(&s->idle);
		} else if (!s->queue || s->under_way >= writes_max(s)) {
			pthread_cond_wait(&s->work, &s->lock);
		} else if (pay(s, s->queue->write.bytes)) {
			start_write(s);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int spool_new(struct store_image *image, struct spool **out, struct fault *f)
{
	static const struct image_buffers_ops ops = {spool_take, spool_put};
	struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return fault_errno(f, -ENOMEM, "make the spool");
	s->buffers.ops = &ops;
	s->image = image;
	s->queue_end = &s->queue;
	s->slabs_max = 1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->idle, NULL);
	int r = -pthread_create(&s->writer, NULL, writer_main, s);
	if (r < 0) {
		free(s);
		return fault_errno(f, r, "start the spool's writer");
	}
	*out = s;
	return 0;
}

/* Locked. */
static bool is_idle(const struct spool *s)
{
	return !s->queue && !s->under_way;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_signal(&s->work);
	while (!is_idle(s))
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->writer, NULL);
	while (s->all) {
		struct slab *slab = s->all;

		s->all = slab->next_all;
		munmap(slab, SLAB_BYTES);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->room);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->idle);
	free(s);
}

void spool_set_limit(struct spool *s, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->slabs_max = bytes / STORE_SEGMENT_BYTES;
	pthread_mutex_unlock(&s->lock);
}

void spool_set_rate(struct spool *s, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->rate = bytes;
	s->paid_us = clock_us(CLOCK_MONOTONIC);
	pthread_mutex_unlock(&s->lock);
}

struct image_buffers *spool_buffers(struct spool *s)
{
	return &s->buffers;
}

void spool_cancel(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->cancelled = true;
	pthread_cond_broadcast(&s->room);
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* After a cancel the stream did not come to its end: nobody knows what else there would be. */
static int fault_full(const struct spool *s, struct fault *f)
{
	return fault_set(f, s->result,
			 "the store is full (%s): this checkpoint of %s needs %s%.1f MiB, %.1f MiB "
			 "were written: make at least %.1f MiB free (vmguard prune, vmguard "
			 "delete), or enlarge the store",
			 strerror(-s->result), s->image->guest, s->cancelled ? "at least " : "",
			 mib(s->put_bytes), mib(s->written_bytes),
			 mib(s->put_bytes - s->written_bytes));
}

bool spool_wait(struct spool *s, int ms)
{
	int64_t until_us = clock_us(CLOCK_MONOTONIC) + ms * INT64_C(1000);
	const struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (!is_idle(s) && !r)
		r = pthread_cond_clockwait(&s->idle, &s->lock, CLOCK_MONOTONIC, &until);
	bool idle = is_idle(s);
	pthread_mutex_unlock(&s->lock);
	return idle;
}

int spool_drain(struct spool *s, struct fault *f)
{
	pthread_mutex_lock(&s->lock);
	while (!is_idle(s))
		pthread_cond_wait(&s->idle, &s->lock);
	int r = s->result;
	if (r == -ENOSPC || r == -EDQUOT)
		fault_full(s, f);
	else if (r < 0)
		store_write_fault(s->image, s->result_segment, r, f);
	pthread_mutex_unlock(&s->lock);
	return r;
}

void spool_figures(struct spool *s, struct spool_figures *figures)
{
	pthread_mutex_lock(&s->lock);
	*figures = (struct spool_figures){
		.limit_bytes = s->slabs_max * STORE_SEGMENT_BYTES,
		.now_bytes = s->in_use * STORE_SEGMENT_BYTES,
		.used_bytes = s->in_use_max * STORE_SEGMENT_BYTES,
		.full_us = s->full_us,
		.put_bytes = s->put_bytes,
		.written_bytes = s->written_bytes,
		.writes = s->writes,
		.cpus = s->cpus,
	};
	pthread_mutex_unlock(&s->lock);
}
