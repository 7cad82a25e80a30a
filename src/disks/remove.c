/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots by their names: which there are, and removing them. Never one that is not vmguard's. */
#include <errno.h>
#include <string.h>

#include "disks/block.h"
#include "disks/qemu_img.h"
#include "disks/rbd_snapshots.h"
#include "disks/reflink.h"
#include "vmguard/hypervisor.h"

struct ours {
	int (*each)(void *context, const char *name);
	void *context;
};

static int pick_ours(void *context, const char *name)
{
	const struct ours *o = context;
	struct disk_snapshot_name n;

	return disk_snapshot_parse(name, &n) ? o->each(o->context, name) : 0;
}

static int each_of_guest(const struct disk *d, struct hypervisor *h, struct ours *o,
			 struct fault *f)
{
	struct json_object *blocks = NULL;
	int r = hypervisor_execute(h, "query-block", NULL, &blocks, f);

	for (size_t i = 0; !r && i < json_object_array_length(blocks); i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);
		struct fault ignored;
		struct disk other;

		if (block_read_disk(block, &other, &ignored) == 1 && !strcmp(other.node, d->node))
			r = block_each_snapshot(block, pick_ours, o);
	}
	json_object_put(blocks);
	return r;
}

int disk_snapshots(const struct disk *d, struct hypervisor *h,
		   int (*each)(void *context, const char *name), void *context, struct fault *f)
{
	struct ours o = {each, context};

	if (d->way == DISK_REFLINK)
		return reflink_each(d, pick_ours, &o, f);
	if (h && d->node[0])
		return each_of_guest(d, h, &o, f);
	return d->storage == DISK_RBD ? rbd_snapshots_each(d, pick_ours, &o, f)
				      : qemu_img_each(d->source, pick_ours, &o, f);
}

static int note_name(void *context, const char *name)
{
	struct disk *d = context;

	return !strcmp(name, d->snapshot); /* ends the search */
}

static int remove_in_guest(const struct disk *d, struct hypervisor *h, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "device", json_object_new_string(d->node));
	json_object_object_add(arguments, "name", json_object_new_string(d->snapshot));
	return hypervisor_execute(h, "blockdev-snapshot-delete-internal-sync", arguments, NULL, f);
}

static int remove_qcow2(const struct disk *d, struct hypervisor *h, struct fault *f)
{
	struct disk wanted = *d;
	int found = disk_snapshots(d, h, note_name, &wanted, f);

	if (found <= 0)
		return found;
	return h && d->node[0] ? remove_in_guest(d, h, f)
			       : qemu_img_remove(d->source, d->snapshot, f);
}

/* Where libvirt alone has the key of the image, QEMU has to do it, and the guest waits for it. */
static int remove_rbd(const struct disk *d, struct hypervisor *h, struct fault *f)
{
	int r = rbd_snapshot_remove(d, f);

	if (!r || r == -EBUSY || r == -ETIMEDOUT || !h || !d->node[0])
		return r;
	return remove_in_guest(d, h, f);
}

int disk_snapshot_remove(const struct disk *d, struct hypervisor *h, struct fault *f)
{
	struct disk_snapshot_name n;

	if (!disk_snapshot_parse(d->snapshot, &n))
		return fault_set(f, -EPERM, "snapshot \"%s\" of disk %s is not vmguard's",
				 d->snapshot, d->target);
	if (d->way == DISK_REFLINK)
		return reflink_remove(d, f);
	return d->storage == DISK_RBD ? remove_rbd(d, h, f) : remove_qcow2(d, h, f);
}

void disks_remove(struct disk_list *list, struct hypervisor *h,
		  void (*left)(void *context, const struct disk *d, const struct fault *why),
		  void *context)
{
	struct fault f;

	if (h && list->count)
		disks_locate(h, list, &f);
	for (size_t i = 0; i < list->count; i++)
		if (disk_snapshot_remove(&list->disks[i], h, &f) < 0 && left)
			left(context, &list->disks[i], &f);
}
