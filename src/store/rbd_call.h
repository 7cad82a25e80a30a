/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls into librbd that end in time.
 *
 * Operations of the cluster have a time limit of their own (rados_osd_op_timeout), but what
 * librbd builds from them may wait for ever: a watch that is registered again has none, and
 * rbd_close() waits for it. So each call runs in a thread of its own, and its caller waits
 * until a deadline. A call that is late is left alone with all that it uses:
 *
 *	rbd_call ----> rbd_handle (an open image) ----> rbd_cluster (a connection)
 *	     each holds the next one; the last to go closes it, however late
 *
 * so nothing is freed under a late call, and when the cluster comes back it is tidied up.
 */
#pragma once

#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdbool.h>
#include <stdint.h>

#include "rbd_location.h"
#include "vmguard/clock.h"
#include "vmguard/store.h"

enum {
	RBD_IMAGE_NAME_BYTES = 64 + STORE_NAME_BYTES,
	RBD_BLOCK_BYTES = 4096, /* what encryption works on */
	RBD_HEADER_BYTES = 96,	/* the name of an image's header object */
};

struct rbd_cluster {
	struct rbd_location location;
	rados_t rados;
	rados_ioctx_t io;
	bool has_rados, has_io;
	struct store_key *key; /* a copy; rbd_crypto.c */
	bool encrypt_new;
	int refs; /* guarded by the mutex in rbd_call.c */
};

/* A write under way. */
struct rbd_write {
	struct rbd_handle *handle;
	struct store_write *write; /* NULL: given up, its caller has been told */
	int64_t deadline_ms;
	struct rbd_write *previous, *next;
	uint8_t tail[RBD_BLOCK_BYTES]; /* the last block of an encrypted image's segment, filled up
					*/
};

struct rbd_handle {
	struct rbd_cluster *cluster;
	rbd_image_t image;
	bool is_open;
	int refs; /* guarded by the mutex in rbd_call.c */
	bool encrypted;
	uint64_t header_segments; /* of the encryption, in front of segment 0 */
	/* A writer's: the header object, and which attribute of it is the record of us. */
	char header[RBD_HEADER_BYTES], record[64];

	/* Guards all below. Taken before no other one. */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* something below has changed */
	struct rbd_write *oldest, *newest;
	bool looking;	  /* rbd_room.h */
	int full;	  /* -ENOSPC, -EDQUOT: the pool was full when we last looked */
	size_t under_way; /* writes whose `done` has not returned */
	bool closing;
	bool lost; /* a call or a write was late, or a commit failed: only close helps */
};

struct rbd_text {
	char guest[STORE_NAME_BYTES];
	char *text;
};

/* One call: what it does, its arguments, its results. Copied, so it points to nothing else. */
struct rbd_call {
	int (*run)(struct rbd_call *c); /* fills `fault` when it fails */
	struct rbd_cluster *cluster;	/* held meanwhile; NULL: none needed */
	struct rbd_handle *handle;	/* held meanwhile; NULL: no image is open */
	int timeout_seconds;
	struct rbd_cluster *drop_cluster; /* references that the call gives up */
	struct rbd_handle *drop_handle;

	char image[RBD_IMAGE_NAME_BYTES];
	struct checkpoint_id id;
	bool has_id;
	uint64_t first, count;
	struct holder holder;
	bool encrypted;
	char guest[STORE_NAME_BYTES];
	char *old_text, *new_text; /* the call's, which frees them */

	/* Results; the caller owns them. */
	struct fault fault;
	struct rbd_handle *opened;
	struct checkpoint_id *ids;
	struct holder *holders;
	char (*names)[STORE_NAME_BYTES];
	struct rbd_text *texts;
	size_t found;

	struct rbd_running *running;
};

/* How long a call may take that does not report progress: librbd tries some things twice. */
int64_t rbd_limit_ms(int timeout_seconds);

/* Runs it and waits. -ETIMEDOUT: it is late, and goes on without its caller. */
int rbd_call(struct rbd_call *c, struct fault *f);

void rbd_texts_free(struct rbd_text *texts, size_t count);

/* For `run`: moves the deadline to `ms` from now. */
void rbd_call_extend(struct rbd_call *c, int64_t ms);

struct rbd_cluster *rbd_cluster_ref(struct rbd_cluster *cluster);
/* The last one disconnects, which may block for ever. */
void rbd_cluster_unref(struct rbd_cluster *cluster);

/* NULL: no memory. The caller opens the image in it. */
struct rbd_handle *rbd_handle_new(struct rbd_cluster *cluster);
struct rbd_handle *rbd_handle_ref(struct rbd_handle *handle);
/* The last one closes the image, which may block for ever. */
void rbd_handle_unref(struct rbd_handle *handle);
/* The same for librbd's own threads: never blocks. */
void rbd_handle_unref_soon(struct rbd_handle *handle);
