/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A spool before a store whose writes complete when the test says so, and in its order. */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/spool.h"
#include "unit.h"

enum {
	WRITES_MAX = 64,
	MANY = 48,
	UNDER_WAY_MAX = 16, /* what the spool starts at once, */
	UNDER_WAY_MIN = 4,  /* and what a small one */
	SEGMENT_MIB = STORE_SEGMENT_BYTES >> 20,
};

static struct fault fault;

/* Keeps the writes that were started; the test completes them by segment. */
struct held_image {
	struct store_image base;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t started;
	struct store_write *held[WRITES_MAX]; /* by segment; NULL: not started, or completed */
	uint64_t order[WRITES_MAX];	      /* the segments as they were started */
	size_t count;
	size_t under_way, under_way_max;
	int nice;      /* of the thread that starts writes */
	bool released; /* from now on writes complete at once, */
	int result;    /* with this */
};

static inline void held_write(struct store_image *image, struct store_write *w)
{
	struct held_image *h = (struct held_image *)image;

	pthread_mutex_lock(&h->lock);
	bool released = h->released;
	int result = h->result;
	h->order[h->count++] = w->segment;
	h->nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
	if (!released) {
		h->held[w->segment] = w;
		h->under_way++;
	}
	if (h->under_way > h->under_way_max)
		h->under_way_max = h->under_way;
	pthread_cond_broadcast(&h->started);
	pthread_mutex_unlock(&h->lock);
	if (released)
		w->done(w, result);
}

static const struct store_ops held_ops = {.name = "held", .write = held_write};

static inline struct held_image *held_new(void)
{
	struct held_image *h = calloc(1, sizeof(*h));

	h->base.ops = &held_ops;
	strcpy(h->base.guest, "g");
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->started, NULL);
	return h;
}

static inline void wait_started(struct held_image *h, size_t count)
{
	pthread_mutex_lock(&h->lock);
	while (h->count < count)
		pthread_cond_wait(&h->started, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

static inline size_t count_started(struct held_image *h)
{
	pthread_mutex_lock(&h->lock);
	size_t count = h->count;
	pthread_mutex_unlock(&h->lock);
	return count;
}

/* Waits until the segment's write is started, and takes it over. */
static inline struct store_write *await(struct held_image *h, uint64_t segment)
{
	pthread_mutex_lock(&h->lock);
	while (!h->held[segment])
		pthread_cond_wait(&h->started, &h->lock);
	struct store_write *w = give(h->held[segment]);
	h->under_way--;
	pthread_mutex_unlock(&h->lock);
	return w;
}

/* Ends the segment's write. */
static inline void complete(struct held_image *h, uint64_t segment, int result)
{
	struct store_write *w = await(h, segment);

	ck_assert_uint_eq(w->bytes, 1 + segment);
	ck_assert_uint_eq(*(const uint8_t *)w->data, segment);
	w->done(w, result);
}

/* Ends what is under way, and all that comes, with this result. */
static inline void release(struct held_image *h, int result)
{
	struct store_write *held[WRITES_MAX];

	pthread_mutex_lock(&h->lock);
	h->released = true;
	h->result = result;
	h->under_way = 0;
	memcpy(held, h->held, sizeof(held));
	memset(h->held, 0, sizeof(h->held));
	pthread_mutex_unlock(&h->lock);
	for (int i = 0; i < WRITES_MAX; i++)
		if (held[i])
			held[i]->done(held[i], result);
}

/* ---- a spool over it ------------------------------------------------------------------ */

static struct held_image *image;
static struct spool *spool;

static inline void begin(uint64_t segments)
{
	image = held_new();
	ck_assert_int_eq(spool_new(&image->base, &spool, &fault), 0);
	spool_set_limit(spool, segments * STORE_SEGMENT_BYTES);
}

static inline void end(void)
{
	spool_free(give(spool));
	pthread_mutex_destroy(&image->lock);
	pthread_cond_destroy(&image->started);
	free(give(image));
}

static inline uint8_t *take(void)
{
	struct image_buffers *b = spool_buffers(spool);

	return b->ops->take(b);
}

static inline void put(uint64_t segment, uint8_t *buffer, size_t bytes)
{
	struct image_buffers *b = spool_buffers(spool);

	b->ops->put(b, segment, buffer, bytes);
}

static inline void put_new(uint64_t segment)
{
	uint8_t *buffer = take();

	ck_assert_ptr_nonnull(buffer);
	buffer[0] = segment;
	put(segment, buffer, 1 + segment);
}

/* A take() on a thread of its own, which may have to wait. */
struct taker {
	pthread_t thread;
	_Atomic pid_t id;
	_Atomic bool returned;
	uint8_t *buffer;
};

static inline void *taker_main(void *taker)
{
	struct taker *t = taker;

	t->id = (pid_t)syscall(SYS_gettid);
	t->buffer = take();
	t->returned = true;
	return NULL;
}

static inline char thread_state(pid_t id)
{
	char path[64], text[256] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)id);
	FILE *file = fopen(path, "re");
	if (file) {
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
	}
	const char *state = strrchr(text, ')');
	return state ? state[2] : '?';
}

/* Returns when take() waits, or has not waited. */
static inline void start_taker(struct taker *t)
{
	*t = (struct taker){0};
	ck_assert_int_eq(pthread_create(&t->thread, NULL, taker_main, t), 0);
	while (!t->id || (!t->returned && thread_state(t->id) != 'S'))
		sched_yield();
}

static inline uint8_t *end_taker(struct taker *t)
{
	pthread_join(t->thread, NULL);
	return t->buffer;
}
