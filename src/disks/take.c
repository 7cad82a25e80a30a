/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshots of all disks, while the guest stands still. First the copies of raw files, which
 * are undone by removing them; then QEMU makes all others in one transaction, which undoes itself.
 * Several RBD images are not in that, and come last (ready.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disks/ready.h"
#include "disks/reflink.h"
#include "disks/transaction.h"
#include "vmguard/hypervisor.h"

struct json_object *transaction_of(const struct disk_list *list, bool without_rbd)
{
	struct json_object *actions = json_object_new_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct disk *d = &list->disks[i];
		struct json_object *action, *data;

		if (d->way != DISK_INTERNAL || (without_rbd && d->storage == DISK_RBD))
			continue;
		action = json_object_new_object();
		data = json_object_new_object();
		json_object_object_add(data, "device", json_object_new_string(d->node));
		json_object_object_add(data, "name", json_object_new_string(d->snapshot));
		json_object_object_add(action, "type",
				       json_object_new_string("blockdev-snapshot-internal-sync"));
		json_object_object_add(action, "data", data);
		json_object_array_add(actions, action);
	}
	return actions;
}

static int take_internal(struct hypervisor *h, const struct disk_list *list, bool without_rbd,
			 struct fault *f)
{
	struct json_object *actions = transaction_of(list, without_rbd);
	struct json_object *arguments;

	if (!json_object_array_length(actions)) {
		json_object_put(actions);
		return 0;
	}
	arguments = json_object_new_object();
	json_object_object_add(arguments, "actions", actions);
	return hypervisor_execute(h, "transaction", arguments, NULL, f);
}

static void undo_reflinks(const struct disk_list *list, size_t count)
{
	struct fault ignored;

	for (size_t i = 0; i < count; i++)
		if (list->disks[i].way == DISK_REFLINK)
			reflink_remove(&list->disks[i], &ignored);
}

static int take_reflinks(const struct disk_list *list, struct fault *f)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->disks[i].way == DISK_REFLINK && reflink_make(&list->disks[i], f) < 0) {
			undo_reflinks(list, i);
			return f->code;
		}
	return 0;
}

/* For what QEMU has made already, when an RBD image fails. */
static void undo_internal(struct hypervisor *h, const struct disk_list *list)
{
	struct fault ignored;

	for (size_t i = 0; i < list->count; i++)
		if (list->disks[i].format == DISK_QCOW2)
			disk_snapshot_remove(&list->disks[i], h, &ignored);
}

int disks_take(struct hypervisor *h, struct disk_list *list, struct disks_ready *ready,
	       const char *name, struct fault *f)
{
	for (size_t i = 0; i < list->count; i++)
		snprintf(list->disks[i].snapshot, sizeof(list->disks[i].snapshot), "%s", name);
	int r = take_reflinks(list, f);
	if (r < 0)
		return r;
	r = take_internal(h, list, ready, f);
	if (!r && ready) {
		r = ready_take(ready, name, f);
		if (r < 0)
			undo_internal(h, list);
	}
	if (r < 0)
		undo_reflinks(list, list->count);
	return r < 0 ? fault_wrap(f, "snapshots of the guest's disks") : 0;
}

int disks_settle(const struct disk_list *list, struct fault *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < list->count; i++)
		if (list->disks[i].way == DISK_REFLINK)
			r = reflink_settle(&list->disks[i], f);
	return r;
}
