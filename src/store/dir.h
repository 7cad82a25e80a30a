/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The directory backend: PATH/<guest>/ holds segment files that are written once and
 * commits that name them (dir_folder.h).
 *
 *	head           in the writer's memory        seg-0.9  seg-1.2  seg-2.7
 *	ckpt-1-2       on disk, frozen               seg-0.5  seg-1.2  seg-2.7
 *	ckpt-1-1       on disk, frozen               seg-0.1  seg-1.2
 *
 * A write makes a new file, so nothing that a commit names is ever touched and a writer
 * may die at any instruction. The next one starts from the last commit and unlinks the
 * files that neither a commit nor its head names (the sweep).
 *
 *	dir.c         the store, ops table        dir_write.c    write, discard, flush
 *	dir_image.c   open, close, read           dir_commit.c   commit, remove, sweep
 *	dir_lock.c    who writes, who reads       dir_protect.c  protected commits
 *	dir_hold.c    who goes on from a commit   dir_text.c  texts beside the images
 *
 * A filesystem that does not answer (NFS, hard mount) blocks its callers: a time limit
 * is a mount option there (soft, timeo).
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "dir_folder.h"
#include "dir_table.h"
#include "vmguard/store.h"

enum { DIR_WRITERS = 4 }; /* threads: enough to keep a disk busy while others wait for it */

struct dir_store {
	struct store base;
	int fd;
};

struct dir_image {
	struct store_image base;
	bool writable;
	int folder;
	int commit;		     /* reader: the commit's file, locked; -1: none */
	struct dir_writer_lock lock; /* writer */

	struct dir_table table; /* reader: of its commit, constant; writer: the head */
	uint64_t next_generation;
	uint64_t uncommitted_from; /* generations from here on are in no commit */
	bool sweep_again;	   /* the head alone names files that it did not write */

	/* Guards the head, its generations and the queue. */
	pthread_mutex_t mutex;
	pthread_cond_t work; /* the queue has work, or the image closes */
	pthread_cond_t idle; /* no write is under way */
	struct store_write *first, **last;
	size_t under_way; /* queued or being written, until `done` has returned */
	bool closing;
	pthread_t threads[DIR_WRITERS];
	size_t thread_count;
};

struct dir_image *dir_image_of(struct store_image *image);

/* dir_image.c */
int dir_image_open(struct store *s, const char *guest, enum store_mode mode,
		   const struct checkpoint_id *at, struct store_image **image, struct fault *f);
void dir_image_close(struct store_image *image);
int dir_checkpoints(struct store_image *image, struct checkpoint_id **ids, size_t *count,
		    struct fault *f);
void dir_object_name(struct store_image *image, uint64_t segment, char name[STORE_OBJECT_BYTES]);
int dir_read(struct store_image *image, uint64_t segment, size_t offset, void *buffer, size_t bytes,
	     struct fault *f);
int dir_image_remove(struct store *s, const char *guest, struct fault *f);

/* dir_write.c */
int dir_writers_start(struct dir_image *image, struct fault *f);
void dir_writers_stop(struct dir_image *image);
void dir_writers_drain(struct dir_image *image);
int dir_reserve(struct store_image *image, uint64_t segments, struct fault *f);
void dir_write(struct store_image *image, struct store_write *w);
int dir_discard(struct store_image *image, uint64_t first, uint64_t count, struct fault *f);
int dir_flush(struct store_image *image, struct fault *f);

/* dir_commit.c */
int dir_commit(struct store_image *image, struct checkpoint_id id, struct fault *f);
int dir_remove(struct store_image *image, struct checkpoint_id id, struct fault *f);
/* Unlinks what no commit and no head names. */
int dir_sweep(struct dir_image *image, struct fault *f);

/* dir_protect.c */
int dir_protect(struct store *s, const char *guest, struct checkpoint_id id, bool on,
		struct fault *f);
int dir_is_protected(struct store_image *image, struct checkpoint_id id, struct fault *f);
/* -EBUSY where it is, and says what takes that off. For one who has the commit locked. */
int dir_check_unprotected(int folder, const char *guest, struct checkpoint_id id, struct fault *f);

/* dir_hold.c */
int dir_hold(struct store_image *image, struct checkpoint_id id, const struct holder *holder,
	     bool on, struct fault *f);
int dir_holders(struct store_image *image, struct checkpoint_id id, struct holder **holders,
		size_t *count, struct fault *f);
/* -EBUSY where one of them is protected or held; drops holds of the dead. As above. */
int dir_check_removable(int folder, const char *guest, const struct checkpoint_id *ids,
			size_t count, struct fault *f);

/* dir_text.c */
int dir_texts(struct store *s, const char *kind,
	      int (*each)(void *context, const char *guest, const char *text), void *context,
	      struct fault *f);
int dir_text_swap(struct store *s, const char *kind, const char *guest, const char *old,
		  const char *text, struct fault *f);
