/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One entry of what query-block returns. Pure. */
#pragma once

#include <json-c/json.h>

#include "vmguard/disks.h"

/*
 * 1: a writable disk, whose storage, format and source are filled in, and its names as far as QEMU
 * knows them; 0: nothing that the guest could write to. -EPERM: it can be written to and vmguard
 * knows no way to keep its state.
 */
int block_read_disk(struct json_object *block, struct disk *d, struct fault *f);

/* The id of the device that has it ("virtio-disk0"), "" where it has none. */
void block_device_id(struct json_object *block, char id[DISK_TARGET_BYTES]);

/* The device's place in QEMU's object tree, or its id; "": there is no device. */
const char *block_device_path(struct json_object *block);

/* Calls `each` for the snapshots that the disk has inside, until it fails. */
int block_each_snapshot(struct json_object *block, int (*each)(void *context, const char *name),
			void *context);
