/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening an image of the RBD backend.
 *
 *	read    open read-only, look at the mark, load the key
 *	write   find or create -> record -> open -> lock -> make or load the key
 *	                                            ^ from here on nobody else changes it
 */
#include "rbd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"
#include "vmguard/rbd.h"

enum { CREATE_ATTEMPTS = 3 };

static const uint64_t features = RBD_FEATURE_LAYERING | RBD_FEATURE_EXCLUSIVE_LOCK |
				 RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF |
				 RBD_FEATURE_DEEP_FLATTEN;

static int fault_of(struct rbd_call *c, int code, const char *what)
{
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s", what,
			 c->cluster->location.pool, c->image);
}

/* Opens c->image, without any check. */
static int open_reader(struct rbd_call *c, const char *snapshot)
{
	struct rbd_handle *handle = rbd_handle_new(c->cluster);

	if (!handle)
		return fault_errno(&c->fault, -ENOMEM, "open RBD image %s", c->image);
	int r = rbd_open_image(c->cluster->rados, c->cluster->io, c->image, snapshot, false,
			       &handle->image);
	if (r < 0) {
		rbd_handle_unref(handle);
		return fault_of(c, r, "open RBD image");
	}
	handle->is_open = true;
	c->opened = handle;
	return 0;
}

/* For a failure after something was opened. */
static int drop_opened(struct rbd_call *c, int code)
{
	rbd_handle_unref(give(c->opened));
	return code;
}

int rbd_open_reader(struct rbd_call *c)
{
	char snapshot[CHECKPOINT_NAME_BYTES];

	checkpoint_name(c->id, snapshot);
	int r = open_reader(c, c->has_id ? snapshot : NULL);
	if (r < 0)
		return r == -ENOENT && c->has_id
			       ? fault_set(&c->fault, r, "there is no %s/%s@%s",
					   c->cluster->location.pool, c->image, snapshot)
			       : r;
	r = rbd_mark_check(c, c->opened->image);
	return r < 0 ? drop_opened(c, r) : 0;
}

int rbd_run_open_reader(struct rbd_call *c)
{
	int r = rbd_open_reader(c);

	if (r < 0)
		return r;
	r = rbd_key_check(c, c->encrypted ? RBD_ENCRYPTED : RBD_PLAIN);
	/* To list what there is, nothing is decrypted. */
	if (r == 0 && c->encrypted && c->has_id)
		r = rbd_crypto_load(c);
	return r < 0 ? drop_opened(c, r) : 0;
}

static int create_image(struct rbd_call *c)
{
	rbd_image_options_t options;
	int r = rbd_key_check(c, RBD_UNMARKED);

	if (r < 0)
		return r;
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

/* Looks at it first, without watching it: what is someone else's stays as it is. */
static int open_writer_of(struct rbd_call *c, int (*check)(struct rbd_call *c))
{
	int r = open_reader(c, NULL);

	if (r < 0)
		return r;
	struct rbd_handle *reader = c->opened, *handle = NULL;
	r = check(c);
	c->opened = NULL;
	if (r == 0) {
		handle = rbd_handle_new(c->cluster);
		r = handle ? rbd_writer_record(c, reader->image, handle)
			   : fault_errno(&c->fault, -ENOMEM, "open RBD image %s", c->image);
	}
	rbd_handle_unref(reader);
	if (r == 0 && handle) {
		r = rbd_open_image(c->cluster->rados, c->cluster->io, c->image, NULL, true,
				   &handle->image);
		handle->is_open = r == 0;
		r = r < 0 ? fault_of(c, r, "open RBD image") : 0;
	}
	c->opened = handle;
	return r < 0 && handle ? drop_opened(c, r) : r;
}

static int check_changeable(struct rbd_call *c)
{
	enum rbd_mark mark;
	int r = rbd_mark_read(c, c->opened->image, &mark);

	return r < 0 || mark == RBD_MAKING ? r : rbd_mark_check(c, c->opened->image);
}

int rbd_open_changer(struct rbd_call *c)
{
	return open_writer_of(c, check_changeable);
}

static int check_writable(struct rbd_call *c)
{
	enum rbd_mark mark;

	return rbd_mark_check_writable(c, c->opened->image, &mark);
}

static int open_or_create(struct rbd_call *c)
{
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < CREATE_ATTEMPTS; i++) {
		r = open_writer_of(c, check_writable);
		if (r == -ENOENT) {
			int created = create_image(c);

			if (created < 0)
				return created;
		}
	}
	return r;
}

/*
 * Makes an image of one that is just created, by us or by someone who died over it. Nobody has
 * committed to it: commits come after the mark.
 */
static int make_image(struct rbd_call *c, enum rbd_mark mark)
{
	rbd_image_t image = c->opened->image;
	bool encrypt = c->cluster->key;
	int r = 0;

	if (mark == RBD_MAKING && rbd_resize(image, 0) < 0)
		return fault_of(c, -EIO, "empty unfinished RBD image");
	if (encrypt && mark != RBD_MAKING)
		r = rbd_mark_set(c, image, RBD_MAKING);
	if (r == 0 && encrypt)
		r = rbd_crypto_format(c);
	return r < 0 ? r : rbd_mark_set(c, image, encrypt ? RBD_ENCRYPTED : RBD_PLAIN);
}

/* With the lock: nothing that is read here is changed by others any more. */
static int make_or_load(struct rbd_call *c)
{
	enum rbd_mark mark;
	int r = rbd_mark_check_writable(c, c->opened->image, &mark);

	if (r < 0)
		return r;
	if (mark < RBD_PLAIN)
		return make_image(c, mark);
	return mark == RBD_ENCRYPTED ? rbd_crypto_load(c) : 0;
}

int rbd_run_open_writer(struct rbd_call *c)
{
	uint64_t bytes = 0;
	int r = open_or_create(c);

	if (r < 0)
		return r;
	r = rbd_writer_lock(c);
	if (r == 0)
		r = make_or_load(c);
	if (r == 0)
		r = rbd_remove_snapshots(c, c->opened->image, false);
	if (r == 0 && rbd_get_size(c->opened->image, &bytes) < 0)
		r = fault_of(c, -EIO, "get the size of RBD image");
	c->count = bytes / STORE_SEGMENT_BYTES;
	return r < 0 ? drop_opened(c, r) : 0;
}
