/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls on a store that must succeed, for the tests of the stores. */
#pragma once

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/store.h"

enum { CONTRACT_BYTES = 64 << 10, CONTRACT_MANY = 64 };

/* The program that includes this says which store. */
static const char *contract_uri(void);

static struct fault fault;

/* A write that can be waited for. */
struct waited_write {
	struct store_write write;
	pthread_mutex_t mutex; /* guards the two below */
	pthread_cond_t over;
	bool is_over;
	int result;
	uint8_t data[CONTRACT_BYTES];
};

static inline void waited_done(struct store_write *w, int result)
{
	struct waited_write *waited = (struct waited_write *)w;

	pthread_mutex_lock(&waited->mutex);
	waited->is_over = true;
	waited->result = result;
	pthread_cond_signal(&waited->over);
	pthread_mutex_unlock(&waited->mutex);
}

static inline struct waited_write *start_write(struct store_image *image, uint64_t segment,
					       uint8_t fill)
{
	struct waited_write *waited = calloc(1, sizeof(*waited));

	pthread_mutex_init(&waited->mutex, NULL);
	pthread_cond_init(&waited->over, NULL);
	memset(waited->data, fill, sizeof(waited->data));
	waited->write = (struct store_write){
		.segment = segment,
		.data = waited->data,
		.bytes = sizeof(waited->data),
		.done = waited_done,
	};
	store_write(image, &waited->write);
	return waited;
}

static inline int end_write(struct waited_write *waited)
{
	pthread_mutex_lock(&waited->mutex);
	while (!waited->is_over)
		pthread_cond_wait(&waited->over, &waited->mutex);
	int result = waited->result;
	pthread_mutex_unlock(&waited->mutex);
	pthread_cond_destroy(&waited->over);
	pthread_mutex_destroy(&waited->mutex);
	free(waited);
	return result;
}

static inline int put(struct store_image *image, uint64_t segment, uint8_t fill)
{
	return end_write(start_write(image, segment, fill));
}

/* Whether a segment holds nothing but `fill`; a failed read is a negative errno. */
static inline int holds(struct store_image *image, uint64_t segment, uint8_t fill)
{
	static uint8_t data[CONTRACT_BYTES];
	int r = store_read(image, segment, 0, data, sizeof(data), &fault);

	for (size_t i = 0; r == 0 && i < sizeof(data); i++)
		if (data[i] != fill)
			return 0;
	return r < 0 ? r : 1;
}

static inline struct store *contract_store(void)
{
	struct store *s;

	ck_assert_msg(store_open(contract_uri(), &s, &fault) == 0, "%s", fault.text);
	return s;
}

static inline struct store_image *open_writer_of(struct store *s, const char *guest)
{
	struct store_image *image;

	ck_assert_msg(store_image_open(s, guest, STORE_WRITE, NULL, &image, &fault) == 0, "%s",
		      fault.text);
	ck_assert_msg(store_reserve(image, 2 * CONTRACT_MANY, &fault) == 0, "%s", fault.text);
	return image;
}

/* A writer of an image that was not there before. */
static inline struct store_image *new_writer(struct store *s, const char *guest)
{
	int r = store_image_remove(s, guest, &fault);

	ck_assert_msg(r == 0 || r == -ENOENT, "%s", fault.text);
	return open_writer_of(s, guest);
}

static inline struct store_image *open_reader_of(struct store *s, const char *guest,
						 struct checkpoint_id id)
{
	struct store_image *image;

	ck_assert_msg(store_image_open(s, guest, STORE_READ, &id, &image, &fault) == 0, "%s",
		      fault.text);
	return image;
}

static inline void commit(struct store_image *image, uint64_t epoch, uint64_t number)
{
	struct checkpoint_id id = {epoch, number};

	ck_assert_msg(store_commit(image, id, &fault) == 0, "%s", fault.text);
}

static inline size_t count_checkpoints(struct store_image *image)
{
	auto_free struct checkpoint_id *ids = NULL;
	size_t count;

	ck_assert_msg(store_checkpoints(image, &ids, &count, &fault) == 0, "%s", fault.text);
	for (size_t i = 1; i < count; i++)
		ck_assert_int_lt(checkpoint_compare(&ids[i - 1], &ids[i]), 0);
	return count;
}

static inline struct holder holder_self(void)
{
	struct holder h;

	ck_assert_msg(holder_of(getpid(), &h, &fault) == 0, "%s", fault.text);
	return h;
}

static inline void hold(struct store_image *image, struct checkpoint_id id, const struct holder *h,
			bool on)
{
	ck_assert_msg(store_hold(image, id, h, on, &fault) >= 0, "%s", fault.text);
}

static inline size_t count_holders(struct store_image *image, struct checkpoint_id id)
{
	auto_free struct holder *holders = NULL;
	size_t count;

	ck_assert_msg(store_holders(image, id, &holders, &count, &fault) == 0, "%s", fault.text);
	return count;
}

static inline void protect(struct store *s, struct checkpoint_id id, bool on)
{
	ck_assert_msg(store_protect(s, "guest", id, on, &fault) == 0, "%s", fault.text);
}
