/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flat.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool.h"

struct flat {
	struct pool pool;
	rbd_image_t image;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	unsigned in_flight; /* the limit */
	unsigned under_way;
	int result;
};

enum { ORDER = 22, SNAPSHOT_BYTES = 32 };

int flat_open(const struct flat_place *place, uint64_t bytes, unsigned in_flight, struct flat **out,
	      struct fault *f)
{
	struct flat *flat = calloc(1, sizeof(*flat));
	char name[128];
	int order = ORDER;

	if (!flat)
		return fault_errno(f, -ENOMEM, "open a flat image");
	*out = flat;
	flat->in_flight = in_flight;
	pthread_mutex_init(&flat->lock, NULL);
	pthread_cond_init(&flat->changed, NULL);
	if (pool_open(&flat->pool, place->conf, place->pool, f) < 0)
		return f->code;
	snprintf(name, sizeof(name), "%s-flat", place->name);
	int r = rbd_create(flat->pool.io, name, bytes, &order);
	if (r >= 0)
		r = rbd_open(flat->pool.io, name, &flat->image, NULL);
	return r < 0 ? fault_errno(f, r, "make the image %s", name) : 0;
}

void flat_close(struct flat *flat)
{
	if (!flat)
		return;
	if (flat->image)
		rbd_close(flat->image);
	pool_close(&flat->pool);
	pthread_mutex_destroy(&flat->lock);
	pthread_cond_destroy(&flat->changed);
	free(flat);
}

static void written(rbd_completion_t completion, void *argument)
{
	struct flat *flat = argument;
	int r = (int)rbd_aio_get_return_value(completion);

	rbd_aio_release(completion);
	pthread_mutex_lock(&flat->lock);
	if (r < 0)
		flat->result = r;
	flat->under_way--;
	pthread_cond_signal(&flat->changed);
	pthread_mutex_unlock(&flat->lock);
}

int flat_write(struct flat *flat, uint64_t offset, const void *data, size_t bytes, struct fault *f)
{
	rbd_completion_t completion;
	int r = rbd_aio_create_completion(flat, written, &completion);

	if (r < 0)
		return fault_errno(f, r, "write at %" PRIu64, offset);
	pthread_mutex_lock(&flat->lock);
	while (flat->under_way >= flat->in_flight)
		pthread_cond_wait(&flat->changed, &flat->lock);
	flat->under_way++;
	pthread_mutex_unlock(&flat->lock);
	r = rbd_aio_write(flat->image, offset, bytes, data, completion);
	return r < 0 ? fault_errno(f, r, "write at %" PRIu64, offset) : 0;
}

int flat_commit(struct flat *flat, uint64_t number, struct fault *f)
{
	char name[SNAPSHOT_BYTES];

	pthread_mutex_lock(&flat->lock);
	while (flat->under_way)
		pthread_cond_wait(&flat->changed, &flat->lock);
	int r = flat->result;
	pthread_mutex_unlock(&flat->lock);
	if (r >= 0)
		r = rbd_flush(flat->image);
	snprintf(name, sizeof(name), "%" PRIu64, number);
	if (r >= 0)
		r = rbd_snap_create(flat->image, name);
	return r < 0 ? fault_errno(f, r, "take snapshot %s of the flat image", name) : 0;
}

int flat_forget(struct flat *flat, uint64_t number, struct fault *f)
{
	char name[SNAPSHOT_BYTES];

	snprintf(name, sizeof(name), "%" PRIu64, number);
	int r = rbd_snap_remove(flat->image, name);
	return r < 0 ? fault_errno(f, r, "remove snapshot %s of the flat image", name) : 0;
}
