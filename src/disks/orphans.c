/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots that a checkpoint was to have and that no checkpoint has. All names are known before
 * the first one goes: what lists them may not be disturbed.
 */
#include <errno.h>
#include <string.h>

#include "vmguard/disks.h"

struct found {
	const struct disk_orphans *orphans;
	struct fault *f;
	char (*names)[DISK_SNAPSHOT_BYTES];
	size_t count;
};

static bool is_orphan(const struct disk_orphans *o, const char *name)
{
	struct disk_snapshot_name n;
	bool is_ours = false;

	if (!disk_snapshot_parse(name, &n))
		return false;
	for (size_t i = 0; i < o->tag_count; i++)
		is_ours = is_ours || o->tags[i] == n.tag;
	for (size_t i = 0; i < o->kept_count; i++)
		if (o->kept[i].epoch == n.id.epoch && o->kept[i].number == n.id.number)
			return false;
	return is_ours;
}

static int note(void *context, const char *name)
{
	struct found *found = context;

	if (!is_orphan(found->orphans, name))
		return 0;
	void *names = reallocarray(found->names, found->count + 1, sizeof(*found->names));
	if (!names)
		return fault_errno(found->f, -ENOMEM, "keep the name of %s", name);
	found->names = names;
	strncpy(found->names[found->count], name, DISK_SNAPSHOT_BYTES - 1);
	found->names[found->count++][DISK_SNAPSHOT_BYTES - 1] = '\0';
	return 0;
}

static void remove_one(const struct disk_orphans *o, struct hypervisor *h, struct disk *d)
{
	struct fault f;

	if (o->dry_run || !disk_snapshot_remove(d, h, &f)) {
		if (o->gone)
			o->gone(o->context, d);
	} else if (o->left) {
		o->left(o->context, d, &f);
	}
}

static int clean_disk(const struct disk *of, struct hypervisor *h, const struct disk_orphans *o,
		      struct fault *f)
{
	struct found found = {.orphans = o, .f = f};
	struct disk d = *of;
	int r = disk_snapshots(of, h, note, &found, f);

	for (size_t i = 0; r >= 0 && i < found.count; i++) {
		memcpy(d.snapshot, found.names[i], sizeof(d.snapshot));
		remove_one(o, h, &d);
	}
	free(found.names);
	return r;
}

int disks_remove_orphans(const struct disk_list *list, struct hypervisor *h,
			 const struct disk_orphans *o, struct fault *f)
{
	struct fault why;
	int r = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct disk *d = &list->disks[i];

		if (clean_disk(d, h, o, &why) < 0 && !r) {
			*f = why;
			r = fault_wrap(f, "look for snapshots of disk %s", d->target);
		}
	}
	return r;
}
