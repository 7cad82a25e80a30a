/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images of the RBD backend: close, grow, read, remove; rbd_open.c opens them. */
#include "rbd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"
#include "vmguard/clock.h"

enum {
	GROW_SEGMENTS = 256, /* an RBD image is thin, a resize takes milliseconds */
	LOST_CLOSE_SECONDS = 1,
	BUSY_POLL_MS = 500,
};

static int fault_of(struct rbd_call *c, int code, const char *what)
{
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s", what,
			 c->cluster->location.pool, c->image);
}

int rbd_guest_call(struct rbd_call *c, struct store *s, const char *guest,
		   int (*run)(struct rbd_call *c), struct fault *f)
{
	struct rbd_cluster *cluster = ((struct rbd_store *)s)->cluster;
	int r = store_check_name(guest, f);

	*c = (struct rbd_call){.run = run,
			       .cluster = cluster,
			       .timeout_seconds = cluster->location.timeout_seconds};
	snprintf(c->image, sizeof(c->image), "%s%s", cluster->location.prefix, guest);
	return r < 0 ? r : rbd_key_use(cluster, s, f);
}

int rbd_store_image_open(struct store *s, const char *guest, enum store_mode mode,
			 const struct checkpoint_id *at, struct store_image **out, struct fault *f)
{
	auto_free struct rbd_store_image *image = calloc(1, sizeof(*image));
	struct rbd_call c;
	int r = rbd_guest_call(&c, s, guest,
			       mode == STORE_WRITE ? rbd_run_open_writer : rbd_run_open_reader, f);

	*out = NULL;
	if (r < 0)
		return r;
	if (!image)
		return fault_errno(f, -ENOMEM, "open image %s", guest);
	c.has_id = at;
	if (at)
		c.id = *at;
	r = rbd_call(&c, f);
	if (r < 0)
		return fault_wrap(f, "open image %s", guest);
	image->base.ops = &store_rbd_ops;
	snprintf(image->base.guest, sizeof(image->base.guest), "%s", guest);
	memcpy(image->name, c.image, sizeof(image->name));
	image->cluster = c.cluster;
	image->handle = c.opened;
	image->writable = mode == STORE_WRITE;
	image->segments = c.count;
	if (image->writable)
		r = rbd_watchdog_start(image, f);
	if (r < 0)
		rbd_store_image_close(&give(image)->base);
	else
		*out = &give(image)->base;
	return r;
}

static int run_drop_handle(struct rbd_call *c)
{
	rbd_handle_unref(c->drop_handle);
	return 0;
}

void rbd_store_image_close(struct store_image *base)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = {.run = run_drop_handle,
			     .cluster = image->cluster,
			     .drop_handle = image->handle,
			     .timeout_seconds = image->cluster->location.timeout_seconds};
	struct fault late;

	rbd_watchdog_stop(image);
	/* The cluster has not answered for long enough: what is late closes it later. */
	if (rbd_check_lost(image, &late) < 0)
		c.timeout_seconds = LOST_CLOSE_SECONDS;
	rbd_call(&c, &late);
	free(image);
}

static int run_grow(struct rbd_call *c)
{
	struct rbd_handle *h = c->handle;
	uint64_t bytes = 0;
	/* librbd counts the header of the encryption here (16.2), or does not. */
	int r = rbd_resize(h->image, (c->count + h->header_segments) * STORE_SEGMENT_BYTES);

	if (r < 0)
		return fault_of(c, r, "grow RBD image");
	r = rbd_get_size(h->image, &bytes);
	if (r == 0 && bytes / STORE_SEGMENT_BYTES < c->count)
		r = -EIO;
	c->count = bytes / STORE_SEGMENT_BYTES;
	return r < 0 ? fault_of(c, r, "see how large is now RBD image") : 0;
}

int rbd_store_reserve(struct store_image *base, uint64_t segments, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	uint64_t rounded = (segments + GROW_SEGMENTS - 1) / GROW_SEGMENTS * GROW_SEGMENTS;
	int r = rbd_check_lost(image, f);

	assert(image->writable);
	if (r < 0)
		return r;
	if (segments > INT32_MAX)
		return fault_set(f, -EFBIG, "an image of %" PRIu64 " segments is too large",
				 segments);
	if (rounded <= image->segments)
		return 0;
	struct rbd_call c = rbd_image_call(image, run_grow);
	c.count = rounded;
	r = rbd_call(&c, f);
	if (r < 0)
		return fault_wrap(f, "make room for %s", base->guest);
	pthread_mutex_lock(&image->handle->mutex);
	image->segments = c.count;
	pthread_mutex_unlock(&image->handle->mutex);
	return 0;
}

int rbd_store_read(struct store_image *base, uint64_t segment, size_t offset, void *buffer,
		   size_t bytes, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	uint64_t at = segment * STORE_SEGMENT_BYTES + offset;
	ssize_t n = rbd_read(image->handle->image, at, bytes, buffer);

	if (n == (ssize_t)bytes)
		return 0;
	/* Beyond the end of the image. */
	if (n == -EINVAL || n >= 0)
		n = -EIO;
	return rbd_fault(f, (int)n, &image->cluster->location,
			 "read %zu bytes at %zu of segment %" PRIu64 " of %s", bytes, offset,
			 segment, base->guest);
}

void rbd_store_object_name(struct store_image *base, uint64_t segment,
			   char name[STORE_OBJECT_BYTES])
{
	struct rbd_store_image *image = rbd_image_of(base);
	char prefix[STORE_OBJECT_BYTES] = "";

	if (rbd_get_block_name_prefix(image->handle->image, prefix, sizeof(prefix)) < 0)
		snprintf(prefix, sizeof(prefix), "%.60s", image->name);
	/* The start is cut off, if anything: the number is what one looks for. */
	snprintf(name, STORE_OBJECT_BYTES, "%.40s/%.60s.%016" PRIx64, image->cluster->location.pool,
		 prefix, segment + image->handle->header_segments);
}

/* No key is needed to delete. */
static int run_remove_image(struct rbd_call *c)
{
	int r = rbd_open_changer(c);

	if (r < 0)
		return r;
	r = rbd_writer_lock(c);
	if (r == 0)
		r = rbd_remove_snapshots(c, c->opened->image, true);
	rbd_handle_unref(give(c->opened));
	return r;
}

static int extend_for_progress(uint64_t offset, uint64_t total, void *argument)
{
	struct rbd_call *c = argument;

	(void)offset;
	(void)total;
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	return 0;
}

/* The watch of a client that is dead, or had lost its connection, lasts up to 30 s. */
static int run_remove_objects(struct rbd_call *c)
{
	int64_t until_ms = monotonic_ms() + RBD_LOCK_WAIT_MS;
	int r;

	for (;;) {
		r = rbd_remove_with_progress(c->cluster->io, c->image, extend_for_progress, c);
		if (r != -EBUSY || monotonic_ms() >= until_ms)
			break;
		rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
		sleep_us(BUSY_POLL_MS * 1000);
	}
	if (r == -EBUSY)
		return fault_set(&c->fault, r,
				 "RBD image %s/%s has no checkpoints any more but stays, because "
				 "another client has it open: rbd status %s/%s says which",
				 c->cluster->location.pool, c->image, c->cluster->location.pool,
				 c->image);
	return r < 0 ? fault_of(c, r, "remove RBD image") : 0;
}

int rbd_store_image_remove(struct store *s, const char *guest, struct fault *f)
{
	struct rbd_call c;
	int r = rbd_guest_call(&c, s, guest, run_remove_image, f);

	if (r < 0)
		return r;
	r = rbd_call(&c, f);
	c.run = run_remove_objects;
	if (r == 0)
		r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "remove image %s", guest) : 0;
}
