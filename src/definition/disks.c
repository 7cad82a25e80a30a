/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sources of a definition's disks. How an image is reached (hosts, keys, its encryption) stays:
 * a clone is in the same place.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "definition/edit.h"

static const struct disk *find_disk(const struct disk_list *list, const char *target)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (!strcmp(list->disks[i].target, target))
			return &list->disks[i];
	return NULL;
}

static bool is_rbd(struct document *d, xmlNodePtr node)
{
	return document_has(d, node, "self::*[@type='network']/source[@protocol='rbd']");
}

static bool is_local(struct document *d, xmlNodePtr node)
{
	return document_has(d, node, "self::*[@type='file' or @type='block' or @type='volume']");
}

/* The snapshot that it was opened at is another image's. */
static void set_rbd(struct edit *e, xmlNodePtr source, const struct disk *disk)
{
	static const char *const old[] = {"snapshot", NULL};

	edit_remove_children(source, old);
	edit_set(e, source, "name", disk->source);
}

static void set_file(struct edit *e, xmlNodePtr node, xmlNodePtr source, const struct disk *disk)
{
	static const char *const old[] = {"dev", "pool", "volume", "mode"};

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		edit_unset(source, old[i]);
	edit_set(e, node, "type", "file");
	edit_set(e, source, "file", disk->source);
}

static void set_format(struct edit *e, xmlNodePtr node, enum disk_format format)
{
	xmlNodePtr driver = edit_child(node, "driver");

	if (!driver) {
		driver = edit_add_child(e, node, "driver");
		if (!driver)
			return;
		edit_set(e, driver, "name", "qemu");
	}
	edit_set(e, driver, "type", format == DISK_QCOW2 ? "qcow2" : "raw");
}

/* libvirt finds out itself what is behind a file; what it was mirrored to is not of interest. */
static int set_source(struct edit *e, xmlNodePtr node, const struct disk *disk)
{
	static const char *const old[] = {"backingStore", "mirror", NULL};
	xmlNodePtr source = edit_child(node, "source");
	bool fits =
		disk->storage == DISK_RBD ? is_rbd(e->document, node) : is_local(e->document, node);

	if (!source || !fits)
		return fault_set(e->fault, -EOPNOTSUPP,
				 "disk %s is no %s in the definition, but %s in the checkpoint: "
				 "take another checkpoint",
				 disk->target, disk->storage == DISK_RBD ? "RBD image" : "file",
				 disk->source);
	edit_remove_children(node, old);
	edit_unset(source, "index");
	if (disk->storage == DISK_RBD)
		set_rbd(e, source, disk);
	else
		set_file(e, node, source, disk);
	set_format(e, node, disk->format);
	return 0;
}

/* An empty drive, and what nobody writes to, are for two as they are. */
static bool is_written(struct document *d, xmlNodePtr node)
{
	return document_has(d, node,
			    "self::*[not(readonly) and not(@device='cdrom')]/source"
			    "[@*[name()!='index' and name()!='startupPolicy']]");
}

static int change_disk(void *edit, struct document *d, xmlNodePtr node)
{
	struct edit *e = edit;
	char target[DISK_TARGET_BYTES];

	document_text(d, node, "string(target/@dev)", target, sizeof(target));
	const struct disk *disk = find_disk(e->disks, target);
	if (disk)
		return set_source(e, node, disk);
	if (!e->identity || !is_written(d, node))
		return 0;
	return fault_set(e->fault, -EOPNOTSUPP,
			 "disk %s is not among the disks of the checkpoint, and two guests must "
			 "not write to it: take a checkpoint with it, or without it in the guest",
			 target);
}

struct search {
	const char *target;
	bool found;
};

static int compare_target(void *context, struct document *d, xmlNodePtr node)
{
	struct search *search = context;
	char target[DISK_TARGET_BYTES];

	document_text(d, node, "string(target/@dev)", target, sizeof(target));
	search->found = search->found || !strcmp(target, search->target);
	return 0;
}

static int check_target(struct edit *e, const struct disk *disk)
{
	struct search search = {.target = disk->target};
	int r = document_each(e->document, NULL, "/domain/devices/disk", compare_target, &search);

	if (r < 0 || search.found)
		return r;
	return fault_set(e->fault, -ENOENT, "the definition has no disk %s", disk->target);
}

int edit_disks(struct edit *e)
{
	int r = 0;

	for (size_t i = 0; !r && e->disks && i < e->disks->count; i++)
		r = check_target(e, &e->disks->disks[i]);
	return r < 0 ? r : edit_each(e, "/domain/devices/disk", change_disk);
}
