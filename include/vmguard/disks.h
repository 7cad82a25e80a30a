/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disks of a guest at a checkpoint.
 *
 * RAM without the disks of the same instant is corruption. So while the guest stands still for its
 * checkpoint each of its writable disks gets a snapshot, all or none, and the checkpoint's manifest
 * names them. Going back to the checkpoint is: the disks to these snapshots, or clones of them,
 * then the guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"
#include "vmguard/store.h"

enum {
	DISK_TARGET_BYTES = 64,
	DISK_SOURCE_BYTES = 512,
	DISK_SNAPSHOT_BYTES = 64,
};

enum disk_storage {
	DISK_FILE,
	DISK_RBD,
};

enum disk_format {
	DISK_RAW,
	DISK_QCOW2,
};

/* How its state at a checkpoint is kept. */
enum disk_way {
	DISK_INTERNAL, /* a snapshot inside a qcow2 file, or of an RBD image */
	DISK_REFLINK,  /* a copy of a raw file that shares its blocks: SOURCE.SNAPSHOT */
};

struct disk {
	char target[DISK_TARGET_BYTES]; /* libvirt's name ("vda"), or QEMU's of the device */
	char node[DISK_TARGET_BYTES];	/* what QEMU calls it while it runs; not in the manifest */
	enum disk_storage storage;
	enum disk_format format;
	enum disk_way way;
	char source[DISK_SOURCE_BYTES];	    /* a path, or POOL[/NAMESPACE]/IMAGE */
	char conf[DISK_SOURCE_BYTES];	    /* RBD: the ceph.conf; "": as Ceph chooses */
	char user[DISK_TARGET_BYTES];	    /* RBD: without "client."; "": as Ceph chooses */
	char snapshot[DISK_SNAPSHOT_BYTES]; /* "vmguard-EPOCH-N-IMAGE" */
	uint64_t bytes;			    /* its size, as the guest sees it */
};

struct disk_list {
	struct disk *disks;
	size_t count;
};

static inline void disk_list_clear(struct disk_list *list)
{
	free(list->disks);
	*list = (struct disk_list){0};
}

/* ---- of a running guest ------------------------------------------------------------------ */

struct hypervisor;

/*
 * The guest's writable disks, as QEMU has them; *list is empty before. -EPERM: one of them cannot
 * have a snapshot, says which, why, and what helps.
 */
int disks_find(struct hypervisor *h, struct disk_list *list, struct fault *f);

/*
 * What can be done before the guest stands still: QEMU makes the snapshots of several RBD images
 * one after the other, so these are opened here, to have them made at the same time. NULL: there is
 * nothing to be gained, or they cannot be opened, and QEMU makes them all.
 */
struct disks_ready;
struct disks_ready *disks_prepare(const struct disk_list *list);
void disks_ready_free(struct disks_ready *ready); /* accepts NULL */

/*
 * For who wants to know of all that cannot: calls `refused` for each of them. Its reason ends in
 * what helps, behind a colon.
 */
int disks_check(struct hypervisor *h,
		int (*refused)(void *context, const struct disk *d, const char *why), void *context,
		struct fault *f);

/*
 * Gives each disk a snapshot of this name and notes it in the list: all or none. The guest stands
 * still meanwhile, so that they are of one instant.
 */
int disks_take(struct hypervisor *h, struct disk_list *list, struct disks_ready *ready,
	       const char *name, struct fault *f);

/* Makes durable what is not yet. Once the guest runs again, and before anybody relies on it. */
int disks_settle(const struct disk_list *list, struct fault *f);

/* Fills in the nodes of those disks that the guest has open now; the others get none. */
int disks_locate(struct hypervisor *h, struct disk_list *list, struct fault *f);

/* ---- snapshots by their names ------------------------------------------------------------ */

/* Whose snapshot it is. The tag tells images apart: other stores' checkpoints have equal numbers.
 */
struct disk_snapshot_name {
	struct checkpoint_id id;
	uint32_t tag;
};

void disk_snapshot_format(const struct disk_snapshot_name *n, char name[DISK_SNAPSHOT_BYTES]);
/* Whether a name is vmguard's; foreign names are not an error. */
bool disk_snapshot_parse(const char *name, struct disk_snapshot_name *n);

/*
 * Calls `each` for every snapshot of a disk that has a name of vmguard's, in no order, until it
 * fails. Through the guest's monitor where that is given and has the disk open. An RBD image is
 * asked within DISK_LIMIT_MS. -ENOENT: there is no such disk.
 */
enum { DISK_LIMIT_MS = 60000 };
int disk_snapshots(const struct disk *d, struct hypervisor *h,
		   int (*each)(void *context, const char *name), void *context, struct fault *f);

/*
 * Removes d->snapshot: of an RBD image from outside, of a qcow2 file through the monitor of the
 * guest that has it open (h may be NULL), else with qemu-img. 0 also where it is gone. -EBUSY: it
 * is needed, or cannot be removed now; says by whom, and what helps. -EPERM: not vmguard's name.
 */
int disk_snapshot_remove(const struct disk *d, struct hypervisor *h, struct fault *f);

/* Removes those of a whole list; calls `left` for each that stays. */
void disks_remove(struct disk_list *list, struct hypervisor *h,
		  void (*left)(void *context, const struct disk *d, const struct fault *why),
		  void *context);

/*
 * Removes from the disks of the list what is vmguard's, has one of these tags and is of no
 * checkpoint of these: a crash, or a disk that was in use, has left it. Counts what went.
 */
struct disk_orphans {
	const uint32_t *tags;
	size_t tag_count;
	const struct checkpoint_id *kept;
	size_t kept_count;
	bool dry_run;
	void (*gone)(void *context, const struct disk *d);
	void (*left)(void *context, const struct disk *d, const struct fault *why);
	void *context;
};
int disks_remove_orphans(const struct disk_list *list, struct hypervisor *h,
			 const struct disk_orphans *o, struct fault *f);

/* ---- back to a checkpoint ---------------------------------------------------------------- */

/*
 * Before a guest that is not running goes on from a checkpoint its disks go back to d->snapshot.
 * First all of them are looked at, and nothing is changed unless each
 *
 *	has the snapshot              -ENOENT
 *	is open nowhere               -EBUSY, says by whom: a dead client of Ceph is waited for, up
 *				      to DISK_LIMIT_MS, because its watch outlives it by 30 s
 *	has nothing newer, or `newer` -EPERM, says which disks: that data would be lost
 *
 * Whether an RBD image has something newer is asked; a file is taken to have. What was interrupted
 * in between can be done again. There is no limit for the whole, which takes as long as there is
 * data; `progress` is called with what is done of it, 0 to 1000.
 */
struct disks_return {
	bool newer; /* what was written since may be lost */
	/*
	 * Both may be NULL, come from another thread, and may come once more after a call that
	 * failed. Somebody has the disk open, and it is waited for him.
	 */
	void (*waits)(void *context, const struct disk *d, const char *who);
	void (*progress)(void *context, const struct disk *d, unsigned permille);
	void *context;
};
int disks_roll_back(const struct disk_list *list, const struct disks_return *how, struct fault *f);

/*
 * New disks beside these, each with what the other had at d->snapshot, all or none; the originals
 * are left as they are and may be in use. Their sources are named after the originals' and `suffix`
 * ("web-root" and "copy": "web-root-copy"; a file's ending stays the last). An RBD image becomes a
 * clone of the snapshot, a file a copy that shares its blocks where the file system can. -EEXIST:
 * there is one of that name, which stays.
 */
int disks_clone(const struct disk_list *list, const char *suffix, struct disk_list *clones,
		struct fault *f);

/* What disks_clone() would make, which is not there yet. Pure. -ENAMETOOLONG. */
int disks_name_clones(const struct disk_list *list, const char *suffix, struct disk_list *clones,
		      struct fault *f);

/* Removes clones that nobody has open (-EBUSY); 0 also where they are gone. */
int disks_remove_clones(const struct disk_list *clones, struct fault *f);
