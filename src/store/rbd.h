/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The RBD backend: an image a guest, PREFIX+guest, whose objects are the segments.
 *
 *	head      the image; one writer holds its exclusive lock
 *	commit    a snapshot "ckpt-<epoch>-<n>"
 *
 * An image carries a mark in its metadata; without it, it is someone else's and is never
 * touched. A commit is made under a name of its own ("new-…") and renamed when it is known
 * to be good: librbd may answer 0 after an operation inside rbd_snap_create() has timed out,
 * and what timed out may still happen later, with a snapshot id that was given back.
 * Whatever is called "new-…" is unlinked by the next writer.
 *
 *	rbd.c            the store, ops table     rbd_call.c   calls that end in time
 *	rbd_image.c      open, close, read        rbd_write.c  write, discard, flush
 *	rbd_snapshot.c   commit, remove, list     rbd_room.c   whether the pool is full
 *	rbd_location.c   URIs                     rbd_fault.c  what an error means
 *
 * A commit that is removed while it is read takes the data away under its reader: reads
 * then fail or return other data.
 */
#pragma once

#include "rbd_call.h"
#include "vmguard/store.h"

#define RBD_MARK_KEY "vmguard"
#define RBD_MARK_VALUE "1"

enum {
	RBD_ORDER = 22, /* objects of STORE_SEGMENT_BYTES */
	/* A killed writer's watch, and so its lock, lasts 30 s. */
	RBD_LOCK_WAIT_MS = 40000,
};
_Static_assert(1 << RBD_ORDER == STORE_SEGMENT_BYTES, "a segment is an object");

struct rbd_store {
	struct store base;
	struct rbd_cluster *cluster;
};

struct rbd_store_image {
	struct store_image base;
	struct rbd_cluster *cluster;
	struct rbd_handle *handle;
	bool writable;
	char name[RBD_IMAGE_NAME_BYTES];
	uint64_t segments; /* writer: guarded by handle->mutex */
	pthread_t watchdog;
	bool has_watchdog;
};

static inline struct rbd_store_image *rbd_image_of(struct store_image *image)
{
	return (struct rbd_store_image *)image;
}

/* A call about an open image. */
static inline struct rbd_call rbd_image_call(struct rbd_store_image *image,
					     int (*run)(struct rbd_call *c))
{
	struct rbd_call c = {.run = run,
			     .cluster = image->cluster,
			     .handle = image->handle,
			     .timeout_seconds = image->cluster->location.timeout_seconds};

	__builtin_memcpy(c.image, image->name, sizeof(c.image));
	return c;
}

/* rbd_image.c */
int rbd_store_image_open(struct store *s, const char *guest, enum store_mode mode,
			 const struct checkpoint_id *at, struct store_image **image,
			 struct fault *f);
void rbd_store_image_close(struct store_image *image);
int rbd_store_reserve(struct store_image *image, uint64_t segments, struct fault *f);
int rbd_store_read(struct store_image *image, uint64_t segment, size_t offset, void *buffer,
		   size_t bytes, struct fault *f);
int rbd_store_image_remove(struct store *s, const char *guest, struct fault *f);
/* Within a call: opens c->image into c->opened, at c->id where there is one. */
int rbd_open_reader(struct rbd_call *c);
/* Within a call: -ENOENT where an open image is not ours. */
int rbd_check_mark(struct rbd_call *c, rbd_image_t image);

/* rbd_write.c */
int rbd_watchdog_start(struct rbd_store_image *image, struct fault *f);
/* Waits for the writes under way. */
void rbd_watchdog_stop(struct rbd_store_image *image);
void rbd_store_write(struct store_image *image, struct store_write *w);
int rbd_store_discard(struct store_image *image, uint64_t first, uint64_t count, struct fault *f);
int rbd_store_flush(struct store_image *image, struct fault *f);
/* -EIO where the image was given up. */
int rbd_check_lost(struct rbd_store_image *image, struct fault *f);

/* rbd_snapshot.c */
int rbd_store_checkpoints(struct store_image *image, struct checkpoint_id **ids, size_t *count,
			  struct fault *f);
int rbd_store_commit(struct store_image *image, struct checkpoint_id id, struct fault *f);
int rbd_store_remove(struct store_image *image, struct checkpoint_id id, struct fault *f);
/* Within a call: removes all snapshots, or only what failed commits left. */
int rbd_remove_snapshots(struct rbd_call *c, rbd_image_t image, bool all);
