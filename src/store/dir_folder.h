/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names in a guest's folder, and their locks.
 *
 *	lock                 who writes; held by an OFD lock, which ends with its process
 *	ckpt-<epoch>-<n>     a commit: a table that names segment files (dir_table.h)
 *	seg-<segment>.<generation>    written once, never changed
 *	ckpt-<epoch>-<n>.protected    beside a commit that may not be removed; empty
 *	ckpt-<epoch>-<n>.held,<who>   beside a commit that a process goes on from; empty
 *	commit.new           a commit that is not yet one
 *
 * Whatever else lies there is not ours and stays.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dir_table.h"
#include "vmguard/store.h"

#define DIR_NEW_COMMIT "commit.new"

enum {
	SEGMENT_NAME_BYTES = 48,
	DIR_MARKER_BYTES = CHECKPOINT_NAME_BYTES + 16,
	DIR_HOLD_BYTES = CHECKPOINT_NAME_BYTES + 16 + HOLDER_BYTES,
};

struct dir_file {
	uint64_t segment;
	uint64_t generation; /* unique in the folder, rises */
	bool named;	     /* by a commit or the head; set by the sweep */
};

struct dir_hold {
	struct checkpoint_id id;
	struct holder holder;
};

struct dir_listing {
	struct checkpoint_id *commits; /* oldest first */
	size_t commit_count;
	struct dir_file *files; /* by generation */
	size_t file_count;
	struct checkpoint_id *markers; /* of protected commits, or of some that are gone */
	size_t marker_count;
	struct dir_hold *holds; /* likewise */
	size_t hold_count;
};

void dir_segment_name(uint64_t segment, uint64_t generation, char name[SEGMENT_NAME_BYTES]);
void dir_marker_name(struct checkpoint_id id, char name[DIR_MARKER_BYTES]);
void dir_hold_name(const struct dir_hold *hold, char name[DIR_HOLD_BYTES]);

/* Lists a guest's folder. The caller clears *l. */
int dir_folder_list(int folder, struct dir_listing *l, struct fault *f);
void dir_listing_clear(struct dir_listing *l);

/*
 * Opens a commit and locks it, `type` F_RDLCK to read it or F_WRLCK to remove it; the lock
 * lasts until *fd is closed. -ENOENT, also where it is being removed; -EBUSY: it is read.
 */
int dir_commit_lock(int folder, struct checkpoint_id id, int type, int *fd, struct fault *f);

/* Reads the table of an open commit. -EBADMSG: damaged. */
int dir_commit_read(int fd, struct dir_table *t, struct fault *f);

/* The right to write an image. */
struct dir_writer_lock {
	int folder;
	int fd;
	char text[128]; /* what the lock file says while it is ours */
};

/* Takes it, and makes the folder where `create`. -EBUSY names the holder, -ENOENT. */
int dir_writer_lock(int store, const char *guest, bool create, struct dir_writer_lock *lock,
		    struct fault *f);

/*
 * Whether the lock is still ours: a network filesystem can hand it to another host while
 * this one is cut off. -ESHUTDOWN names the new holder.
 */
int dir_writer_check(const struct dir_writer_lock *lock, struct fault *f);

void dir_writer_unlock(struct dir_writer_lock *lock);
