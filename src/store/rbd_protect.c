/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protected commits: snapshots that RBD itself refuses to remove. A writer may be at work:
 * librbd hands the operation to whoever holds the image's lock.
 */
#include "rbd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "rbd_fault.h"

static int fault_of(struct rbd_call *c, int code, const char *what, const char *snapshot)
{
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s@%s", what,
			 c->cluster->location.pool, c->image, snapshot);
}

static int look(struct rbd_call *c, rbd_image_t image, const char *snapshot)
{
	int is_protected = 0;
	int r = rbd_snap_is_protected(image, snapshot, &is_protected);

	if (r == -ENOENT)
		return fault_set(&c->fault, r, "there is no %s/%s@%s", c->cluster->location.pool,
				 c->image, snapshot);
	return r < 0 ? fault_of(c, r, "see whether it is protected:", snapshot) : is_protected;
}

static int fault_protected(struct rbd_call *c, const char *snapshot)
{
	/* The image is named after the guest, behind the prefix. */
	const char *guest = c->image + strlen(c->cluster->location.prefix);
	struct checkpoint_id id = {0};

	checkpoint_parse(snapshot, &id);
	return fault_set(&c->fault, -EBUSY,
			 "checkpoint %" PRIu64 " of %s is protected: vmguard snapshots --unprotect "
			 "%s@%" PRIu64 " allows it",
			 id.number, guest, guest, id.number);
}

int rbd_check_protected(struct rbd_call *c, rbd_image_t image, const char *snapshot)
{
	int r = look(c, image, snapshot);

	return r == 1 ? fault_protected(c, snapshot) : r;
}

static int change(struct rbd_call *c, const char *snapshot)
{
	rbd_image_t image = c->opened->image;
	int r = look(c, image, snapshot);

	if (r < 0 || r == (int)c->count)
		return r < 0 ? r : 0;
	/* Otherwise a dead holder of the lock would be asked, for 30 s. */
	r = rbd_writer_fence_dead(c);
	if (r < 0)
		return r;
	r = c->count ? rbd_snap_protect(image, snapshot) : rbd_snap_unprotect(image, snapshot);
	/* Someone else did the same at the same time. */
	if (r < 0 && look(c, image, snapshot) == (int)c->count)
		return 0;
	return r < 0 ? fault_of(c, r, c->count ? "protect" : "unprotect", snapshot) : 0;
}

static int run_protect(struct rbd_call *c)
{
	char snapshot[CHECKPOINT_NAME_BYTES];
	int r = rbd_open_changer(c);

	if (r < 0)
		return r;
	checkpoint_name(c->id, snapshot);
	rbd_call_extend(c, RBD_LOCK_WAIT_MS);
	r = change(c, snapshot);
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	rbd_handle_unref(give(c->opened));
	return r;
}

int rbd_store_protect(struct store *s, const char *guest, struct checkpoint_id id, bool on,
		      struct fault *f)
{
	struct rbd_call c;
	int r = rbd_guest_call(&c, s, guest, run_protect, f);

	if (r < 0)
		return r;
	c.id = id;
	c.count = on;
	r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "%s checkpoint %" PRIu64 " of %s",
				  on ? "protect" : "unprotect", id.number, guest)
		     : 0;
}

static int run_is_protected(struct rbd_call *c)
{
	char snapshot[CHECKPOINT_NAME_BYTES];

	checkpoint_name(c->id, snapshot);
	if (c->handle)
		return look(c, c->handle->image, snapshot);
	/* A reader is not told of changes: look afresh. */
	int r = rbd_open_reader(c);
	if (r < 0)
		return r;
	r = look(c, c->opened->image, snapshot);
	rbd_handle_unref(give(c->opened));
	return r;
}

int rbd_store_is_protected(struct store_image *base, struct checkpoint_id id, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = rbd_image_call(image, run_is_protected);

	if (!image->writable)
		c.handle = NULL;
	c.id = id;
	int r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "look at checkpoint %" PRIu64 " of %s", id.number, base->guest)
		     : r;
}
