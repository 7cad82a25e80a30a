/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writes.h"

#include <errno.h>
#include <pthread.h>

struct piece {
	struct store_write write; /* first: the store hands it back */
	struct writes *writes;
	struct piece *next; /* on the free list */
	uint8_t *bytes;
};

struct writes {
	struct image_buffers buffers; /* first: the image hands it back */
	struct store_image *image;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct piece *free;
	struct piece *pieces;
	unsigned count; /* of pieces */
	unsigned under_way;
	uint64_t put;
	int result;
};

/* More buffers than may be under way: those of pages, index and devices that are being filled. */
enum { FILLING = 8 };

static uint8_t *take(struct image_buffers *b)
{
	struct writes *w = (struct writes *)b;

	pthread_mutex_lock(&w->lock);
	while (!w->free)
		pthread_cond_wait(&w->changed, &w->lock);
	struct piece *p = w->free;
	w->free = p->next;
	pthread_mutex_unlock(&w->lock);
	return p->bytes;
}

static void done(struct store_write *write, int result)
{
	struct piece *p = (struct piece *)write;
	struct writes *w = p->writes;

	pthread_mutex_lock(&w->lock);
	if (result < 0 && !w->result)
		w->result = result;
	p->next = w->free;
	w->free = p;
	w->under_way--;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static struct piece *piece_of(struct writes *w, const uint8_t *bytes)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->pieces[i].bytes == bytes)
			return &w->pieces[i];
	abort(); /* not one of ours */
}

static void put(struct image_buffers *b, uint64_t segment, uint8_t *buffer, size_t bytes)
{
	struct writes *w = (struct writes *)b;
	struct piece *p = piece_of(w, buffer);

	p->write = (struct store_write){
		.segment = segment, .data = buffer, .bytes = bytes, .done = done};
	pthread_mutex_lock(&w->lock);
	while (w->under_way >= w->count - FILLING)
		pthread_cond_wait(&w->changed, &w->lock);
	w->under_way++;
	w->put++;
	pthread_mutex_unlock(&w->lock);
	store_write(w->image, &p->write);
}

int writes_new(struct store_image *image, unsigned in_flight, struct writes **out, struct fault *f)
{
	static const struct image_buffers_ops ops = {take, put};
	struct writes *w = calloc(1, sizeof(*w));

	if (w)
		w->pieces = calloc(in_flight + FILLING, sizeof(*w->pieces));
	if (!w || !w->pieces) {
		free(w);
		return fault_errno(f, -ENOMEM, "make buffers");
	}
	w->buffers.ops = &ops;
	w->image = image;
	w->count = in_flight + FILLING;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	*out = w;
	for (unsigned i = 0; i < w->count; i++) {
		struct piece *p = &w->pieces[i];

		p->writes = w;
		p->bytes = aligned_alloc(4096, STORE_SEGMENT_BYTES);
		if (!p->bytes)
			return fault_errno(f, -ENOMEM, "make buffers");
		p->next = w->free;
		w->free = p;
	}
	return 0;
}

void writes_free(struct writes *w)
{
	if (!w)
		return;
	writes_wait(w);
	for (unsigned i = 0; i < w->count; i++)
		free(w->pieces[i].bytes);
	free(w->pieces);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
}

struct image_buffers *writes_buffers(struct writes *w)
{
	return &w->buffers;
}

int writes_wait(struct writes *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->under_way)
		pthread_cond_wait(&w->changed, &w->lock);
	int r = w->result;
	w->result = 0;
	pthread_mutex_unlock(&w->lock);
	return r;
}

uint64_t writes_count(struct writes *w)
{
	pthread_mutex_lock(&w->lock);
	uint64_t put_count = w->put;
	w->put = 0;
	pthread_mutex_unlock(&w->lock);
	return put_count;
}
