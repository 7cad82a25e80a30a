/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images of the RBD backend: open, lock, close, grow, read, remove. */
#include "rbd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"

enum {
	GROW_SEGMENTS = 256, /* an RBD image is thin, a resize takes milliseconds */
	CREATE_ATTEMPTS = 3,
	LOST_CLOSE_SECONDS = 1,
};

static const uint64_t features = RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK |
				 RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF |
				 RBD_FEATURE_DEEP_FLATTEN;

static int fault_of(struct rbd_call *c, int code, const char *what)
{
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s", what,
			 c->cluster->location.pool, c->image);
}

int rbd_check_mark(struct rbd_call *c, rbd_image_t image)
{
	char version[16] = "";
	size_t bytes = sizeof(version);
	int r = rbd_metadata_get(image, RBD_MARK_KEY, version, &bytes);

	if (r == -ENOENT)
		return fault_set(&c->fault, r, "RBD image %s/%s is not vmguard's",
				 c->cluster->location.pool, c->image);
	if (r < 0)
		return fault_of(c, r, "read the mark of RBD image");
	if (strcmp(version, RBD_MARK_VALUE))
		return fault_set(&c->fault, -ENOTSUP, "RBD image %s/%s has version %s, not %s",
				 c->cluster->location.pool, c->image, version, RBD_MARK_VALUE);
	return 0;
}

/* Opens c->image, without any check. */
static int open_handle(struct rbd_call *c, bool write, const char *snapshot)
{
	struct rbd_handle *handle = rbd_handle_new(c->cluster);
	rados_ioctx_t io = c->cluster->io;

	if (!handle)
		return fault_errno(&c->fault, -ENOMEM, "open RBD image %s", c->image);
	int r = write ? rbd_open(io, c->image, &handle->image, NULL)
		      : rbd_open_read_only(io, c->image, &handle->image, snapshot);
	if (r < 0) {
		rbd_handle_unref(handle);
		return fault_of(c, r, "open RBD image");
	}
	handle->is_open = true;
	c->opened = handle;
	return 0;
}

/* For a failure after open_handle(). */
static int drop_opened(struct rbd_call *c, int code)
{
	rbd_handle_unref(give(c->opened));
	return code;
}

int rbd_open_reader(struct rbd_call *c)
{
	char snapshot[CHECKPOINT_NAME_BYTES];

	checkpoint_name(c->id, snapshot);
	int r = open_handle(c, false, c->has_id ? snapshot : NULL);
	if (r < 0)
		return r == -ENOENT && c->has_id
			       ? fault_set(&c->fault, r, "there is no %s/%s@%s",
					   c->cluster->location.pool, c->image, snapshot)
			       : r;
	r = rbd_check_mark(c, c->opened->image);
	return r < 0 ? drop_opened(c, r) : 0;
}

static int create_image(struct rbd_call *c)
{
	rbd_image_options_t options;
	int r;

	rbd_image_options_create(&options);
	r = rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_ORDER, RBD_ORDER);
	if (r == 0)
		r = rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_FEATURES, features);
	/* Empty: whoever finds it without the mark may take it as his own. */
	if (r == 0)
		r = rbd_create4(c->cluster->io, c->image, 0, options);
	rbd_image_options_destroy(options);
	return r < 0 && r != -EEXIST ? fault_of(c, r, "create RBD image") : 0;
}

static int open_or_create(struct rbd_call *c)
{
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < CREATE_ATTEMPTS; i++) {
		r = open_handle(c, true, NULL);
		if (r == -ENOENT) {
			int created = create_image(c);

			if (created < 0)
				return created;
		}
	}
	return r;
}

/* Marks an image that is just created, by us or by someone who died over it. */
static int check_or_set_mark(struct rbd_call *c)
{
	rbd_image_t image = c->opened->image;
	uint64_t bytes;
	int r = rbd_check_mark(c, image);

	if (r != -ENOENT)
		return r;
	if (rbd_get_size(image, &bytes) < 0 || bytes > 0)
		return fault_set(&c->fault, -EEXIST,
				 "RBD image %s/%s is not vmguard's: give another pool or a prefix",
				 c->cluster->location.pool, c->image);
	r = rbd_metadata_set(image, RBD_MARK_KEY, RBD_MARK_VALUE);
	return r < 0 ? fault_of(c, r, "mark RBD image") : 0;
}

static int fault_locked(struct rbd_call *c, rbd_image_t image)
{
	rbd_lock_mode_t mode;
	char *owners[4] = {NULL};
	size_t count = sizeof(owners) / sizeof(owners[0]);
	int r = rbd_lock_get_owners(image, &mode, owners, &count);

	fault_set(&c->fault, -EBUSY,
		  "RBD image %s/%s is being written by the client at %s: stop it there, or fence "
		  "its host",
		  c->cluster->location.pool, c->image, r == 0 && count ? owners[0] : "?");
	if (r == 0)
		rbd_lock_get_owners_cleanup(owners, count);
	return -EBUSY;
}

/*
 * librbd asks the holder: a live writer refuses within milliseconds (-EROFS). Where nobody
 * answers it waits until the holder's watch has ended, breaks the lock and blocklists it.
 */
static int lock_image(struct rbd_call *c)
{
	rbd_image_t image = c->opened->image;

	rbd_call_extend(c, RBD_LOCK_WAIT_MS);
	int r = rbd_lock_acquire(image, RBD_LOCK_MODE_EXCLUSIVE);
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	if (r == -EROFS || r == -EBUSY || r == -EAGAIN)
		return fault_locked(c, image);
	return r < 0 ? fault_of(c, r, "lock RBD image") : 0;
}

static int run_open_writer(struct rbd_call *c)
{
	uint64_t bytes = 0;
	int r = open_or_create(c);

	if (r < 0)
		return r;
	r = check_or_set_mark(c);
	if (r == 0)
		r = lock_image(c);
	if (r == 0)
		r = rbd_remove_snapshots(c, c->opened->image, false);
	if (r == 0 && rbd_get_size(c->opened->image, &bytes) < 0)
		r = fault_of(c, -EIO, "get the size of RBD image");
	c->count = bytes / STORE_SEGMENT_BYTES;
	return r < 0 ? drop_opened(c, r) : 0;
}

static int set_call(struct rbd_call *c, struct store *s, const char *guest, struct fault *f)
{
	struct rbd_cluster *cluster = ((struct rbd_store *)s)->cluster;
	int r = store_check_name(guest, f);

	*c = (struct rbd_call){.cluster = cluster,
			       .timeout_seconds = cluster->location.timeout_seconds};
	snprintf(c->image, sizeof(c->image), "%s%s", cluster->location.prefix, guest);
	return r;
}

int rbd_store_image_open(struct store *s, const char *guest, enum store_mode mode,
			 const struct checkpoint_id *at, struct store_image **out, struct fault *f)
{
	auto_free struct rbd_store_image *image = calloc(1, sizeof(*image));
	struct rbd_call c;
	int r = set_call(&c, s, guest, f);

	*out = NULL;
	if (r < 0)
		return r;
	if (!image)
		return fault_errno(f, -ENOMEM, "open image %s", guest);
	c.run = mode == STORE_WRITE ? run_open_writer : rbd_open_reader;
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
	int r = rbd_resize(c->handle->image, c->count * STORE_SEGMENT_BYTES);

	return r < 0 ? fault_of(c, r, "grow RBD image") : 0;
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
	image->segments = rounded;
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

static int run_remove_image(struct rbd_call *c)
{
	int r = open_handle(c, true, NULL);

	if (r < 0)
		return r;
	r = rbd_check_mark(c, c->opened->image);
	if (r == 0)
		r = lock_image(c);
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

static int run_remove_objects(struct rbd_call *c)
{
	int r = rbd_remove_with_progress(c->cluster->io, c->image, extend_for_progress, c);

	return r < 0 ? fault_of(c, r, "remove RBD image") : 0;
}

int rbd_store_image_remove(struct store *s, const char *guest, struct fault *f)
{
	struct rbd_call c;
	int r = set_call(&c, s, guest, f);

	if (r < 0)
		return r;
	c.run = run_remove_image;
	r = rbd_call(&c, f);
	c.run = run_remove_objects;
	if (r == 0)
		r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "remove image %s", guest) : 0;
}
