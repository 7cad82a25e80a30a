/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The RBD backend: an image a guest, PREFIX+guest, whose objects are the segments.
 *
 *	head      the image; one writer holds its exclusive lock
 *	commit    a snapshot "ckpt-<epoch>-<n>"
 *
 * An image carries a mark in its metadata (rbd_mark.c); without it, it is someone else's and is
 * never touched. A commit is made under a name of its own ("new-…") and renamed when it is known
 * to be good: librbd may answer 0 after an operation inside rbd_snap_create() has timed out,
 * and what timed out may still happen later, with a snapshot id that was given back.
 * Whatever is called "new-…" is unlinked by the next writer.
 *
 *	rbd.c            the store, ops table     rbd_call.c     calls that end in time
 *	rbd_open.c       open, create             rbd_mark.c     whose an image is
 *	rbd_crypto.c     the key, encryption      rbd_writer.c   the lock, and who holds it
 *	rbd_image.c      close, read, remove      rbd_write.c    write, discard, flush
 *	rbd_snapshot.c   commit, remove, list     rbd_protect.c  protected commits
 *	rbd_free.c       how much room there is   rbd_room.c     whether there is any
 *	rbd_location.c   URIs                     rbd_fault.c    what an error means
 *	rbd_hold.c       who goes on from a commit
 *	rbd_text.c       texts beside the images
 *
 * A commit that is removed while it is read takes the data away under its reader: reads
 * then fail or return other data. Who must not lose it holds it.
 */
#pragma once

#include "rbd_call.h"
#include "vmguard/store.h"

enum {
	RBD_ORDER = 22, /* objects of STORE_SEGMENT_BYTES */
	/* A killed writer's watch, and so its lock, lasts 30 s; on this host rbd_writer.c helps. */
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

/* A call about a guest's image that is not open. */
int rbd_guest_call(struct rbd_call *c, struct store *s, const char *guest,
		   int (*run)(struct rbd_call *c), struct fault *f);

/* rbd_image.c */
int rbd_store_image_open(struct store *s, const char *guest, enum store_mode mode,
			 const struct checkpoint_id *at, struct store_image **image,
			 struct fault *f);
void rbd_store_image_close(struct store_image *image);
int rbd_store_reserve(struct store_image *image, uint64_t segments, struct fault *f);
int rbd_store_read(struct store_image *image, uint64_t segment, size_t offset, void *buffer,
		   size_t bytes, struct fault *f);
int rbd_store_image_remove(struct store *s, const char *guest, struct fault *f);
void rbd_store_object_name(struct store_image *image, uint64_t segment,
			   char name[STORE_OBJECT_BYTES]);

/* rbd_open.c; within a call */
/* These open c->image into c->opened. */
/* At c->id where there is one; without the key, so what it reads is not to be understood. */
int rbd_open_reader(struct rbd_call *c);
int rbd_run_open_reader(struct rbd_call *c);
/* With the lock; c->count becomes the segments. */
int rbd_run_open_writer(struct rbd_call *c);
/* One of ours, be it unfinished, without the lock and without the key. */
int rbd_open_changer(struct rbd_call *c);

/* rbd_mark.c; within a call */
enum rbd_mark {
	RBD_UNMARKED,
	RBD_MAKING,
	RBD_PLAIN, /* from here on ours */
	RBD_ENCRYPTED,
};
int rbd_mark_read(struct rbd_call *c, rbd_image_t image, enum rbd_mark *mark);
int rbd_mark_set(struct rbd_call *c, rbd_image_t image, enum rbd_mark mark);
/* -ENOENT where an image is not ours; sets c->encrypted. */
int rbd_mark_check(struct rbd_call *c, rbd_image_t image);
/* -EEXIST where it is someone else's; else as rbd_key_check(). */
int rbd_mark_check_writable(struct rbd_call *c, rbd_image_t image, enum rbd_mark *mark);

/* rbd_crypto.c */
/* Takes over a copy of the store's key, where it has one; any thread. */
int rbd_key_use(struct rbd_cluster *cluster, const struct store *s, struct fault *f);
/* Within a call: whether the key, or none, fits such an image. -EKEYREJECTED, -ENOENT. */
int rbd_key_check(struct rbd_call *c, enum rbd_mark mark);
/* Within a call, on c->opened; the key is there. -EKEYREJECTED. */
int rbd_crypto_load(struct rbd_call *c);
int rbd_crypto_format(struct rbd_call *c);

/* rbd_writer.c; within a call */
/* Of the object that has what is known of the image. */
int rbd_header_name(struct rbd_call *c, rbd_image_t image, char name[RBD_HEADER_BYTES]);
/* Records this process, in `handle`, before that is opened; `image` is open. */
int rbd_writer_record(struct rbd_call *c, rbd_image_t image, struct rbd_handle *handle);
/* Fences off processes of this host that died with c->opened's image open. -EPERM. */
int rbd_writer_fence_dead(struct rbd_call *c);
/* Locks c->opened for good. -EBUSY names who has it. */
int rbd_writer_lock(struct rbd_call *c);

/* rbd_protect.c */
int rbd_store_protect(struct store *s, const char *guest, struct checkpoint_id id, bool on,
		      struct fault *f);
int rbd_store_is_protected(struct store_image *image, struct checkpoint_id id, struct fault *f);
/* Within a call: -EBUSY where it is, with what to do. */
int rbd_check_protected(struct rbd_call *c, rbd_image_t image, const char *snapshot);

/* rbd_hold.c */
int rbd_store_hold(struct store_image *image, struct checkpoint_id id, const struct holder *holder,
		   bool on, struct fault *f);
int rbd_store_holders(struct store_image *image, struct checkpoint_id id, struct holder **holders,
		      size_t *count, struct fault *f);
/*
 * Within a call, with the image's lock: nobody can hold the commit any more. Holds of the dead are
 * dropped; -EBUSY names another. Ends with one of the two below.
 */
int rbd_hold_bar(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id);
void rbd_hold_allow(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id);
/* The commit is gone. */
void rbd_hold_forget(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id);

/* rbd_free.c */
int rbd_store_free_bytes(struct store *s, uint64_t *bytes, struct fault *f);
/* From the text of `ceph df detail`. Pure. -ENODATA. */
int rbd_free_parse(const char *text, const char *pool, uint64_t *bytes);

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

/* rbd_text.c */
int rbd_store_texts(struct store *s, const char *kind,
		    int (*each)(void *context, const char *guest, const char *text), void *context,
		    struct fault *f);
int rbd_store_text_swap(struct store *s, const char *kind, const char *guest, const char *old,
			const char *text, struct fault *f);
