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

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

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

void disk_list_clear(struct disk_list *list);
