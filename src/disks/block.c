/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU names what a disk is made of by a file name, or where that does not say all, by
 * "json:{"driver": …, "file": {"driver": …, …}}" (QEMU block.c, bdrv_refresh_filename).
 */
#include "disks/block.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct json_object *field(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &value);
	return value;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value = field(o, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static bool put(char *to, size_t room, const char *text)
{
	return (size_t)snprintf(to, room, "%s", text) < room;
}

const char *block_device_path(struct json_object *block)
{
	return text_of(block, "qdev");
}

/* "/machine/peripheral/ID/…", or ID alone; what has no id lies elsewhere in the tree. */
void block_device_id(struct json_object *block, char id[DISK_TARGET_BYTES])
{
	static const char place[] = "/machine/peripheral/";
	const char *path = block_device_path(block);
	size_t length;

	id[0] = '\0';
	if (!strncmp(path, place, sizeof(place) - 1))
		path += sizeof(place) - 1;
	else if (*path == '/')
		return;
	length = strcspn(path, "/");
	if (length < DISK_TARGET_BYTES)
		snprintf(id, DISK_TARGET_BYTES, "%.*s", (int)length, path);
}

/* QEMU's commands take the name of a drive or of a node. */
static bool name_disk(struct json_object *block, struct json_object *inserted, struct disk *d)
{
	const char *device = text_of(block, "device");
	const char *node = *device ? device : text_of(inserted, "node-name");
	char id[DISK_TARGET_BYTES];

	block_device_id(block, id);
	return put(d->target, sizeof(d->target), id[0] ? id : node) &&
	       put(d->node, sizeof(d->node), node);
}

/* ---- what it is made of ------------------------------------------------------------------ */

static int take_path(struct disk *d, const char *path, struct fault *f)
{
	d->storage = DISK_FILE;
	if (*path && put(d->source, sizeof(d->source), path))
		return 0;
	return fault_set(f, -EPERM, "its path is empty or longer than %zu characters",
			 sizeof(d->source) - 1);
}

static int take_rbd(struct disk *d, struct json_object *rbd, struct fault *f)
{
	const char *space = text_of(rbd, "namespace");
	int length = snprintf(d->source, sizeof(d->source), "%s/%s%s%s", text_of(rbd, "pool"),
			      space, *space ? "/" : "", text_of(rbd, "image"));

	d->storage = DISK_RBD;
	if (length < (int)sizeof(d->source) && *text_of(rbd, "pool") && *text_of(rbd, "image") &&
	    put(d->conf, sizeof(d->conf), text_of(rbd, "conf")) &&
	    put(d->user, sizeof(d->user), text_of(rbd, "user")))
		return 0;
	return fault_set(f, -EPERM, "the names of its RBD image are missing or too long");
}

static int refuse_storage(const char *driver, struct fault *f)
{
	return fault_set(f, -EPERM,
			 "vmguard knows no snapshots of storage \"%.32s\": put it into a qcow2 "
			 "file or an RBD image",
			 *driver ? driver : "unknown");
}

static int take_object(struct disk *d, struct json_object *o, struct fault *f)
{
	struct json_object *file = field(o, "file");

	if (json_object_is_type(file, json_type_object))
		o = file;
	if (!strcmp(text_of(o, "driver"), "rbd"))
		return take_rbd(d, o, f);
	if (!strcmp(text_of(o, "driver"), "file"))
		return take_path(d, text_of(o, "filename"), f);
	return refuse_storage(text_of(o, "driver"), f);
}

static int take_source(struct disk *d, const char *name, struct fault *f)
{
	size_t protocol = strcspn(name, ":/");
	char driver[32];

	if (!strncmp(name, "json:", 5)) {
		struct json_object *o = json_tokener_parse(name + 5);
		int r = take_object(d, o, f);

		json_object_put(o);
		return r;
	}
	if (name[protocol] != ':')
		return take_path(d, name, f);
	snprintf(driver, sizeof(driver), "%.*s", (int)protocol, name);
	return refuse_storage(driver, f);
}

static int take_qcow2(struct disk *d, struct json_object *image, struct fault *f)
{
	d->format = DISK_QCOW2;
	d->way = DISK_INTERNAL;
	if (d->storage != DISK_FILE)
		return fault_set(f, -EPERM, "qcow2 on RBD: use raw there");
	if (*text_of(field(field(image, "format-specific"), "data"), "data-file"))
		return fault_set(f, -EPERM,
				 "its data lies in a file of its own, where qcow2 has no "
				 "snapshots");
	return 0;
}

/* Newer libvirt leaves the format out where it is raw. */
static int take_format(struct disk *d, const char *driver, struct json_object *image,
		       struct fault *f)
{
	if (!strcmp(driver, "qcow2"))
		return take_qcow2(d, image, f);
	if (strcmp(driver, "raw") != 0 && strcmp(driver, "file") != 0 && strcmp(driver, "rbd") != 0)
		return fault_set(f, -EPERM,
				 "vmguard knows no snapshots of format \"%.32s\": use qcow2, or "
				 "raw on RBD",
				 driver);
	d->format = DISK_RAW;
	d->way = d->storage == DISK_RBD ? DISK_INTERNAL : DISK_REFLINK;
	return 0;
}

int block_read_disk(struct json_object *block, struct disk *d, struct fault *f)
{
	struct json_object *inserted = field(block, "inserted");
	struct json_object *image = field(inserted, "image");

	*d = (struct disk){0};
	if (!inserted || json_object_get_boolean(field(inserted, "ro")))
		return 0;
	if (!name_disk(block, inserted, d))
		return fault_set(f, -EPERM, "its name is too long");
	d->bytes = json_object_get_uint64(field(image, "virtual-size"));
	int r = take_source(d, text_of(image, "filename"), f);
	if (!r)
		r = take_format(d, text_of(inserted, "drv"), image, f);
	return r < 0 ? r : 1;
}

int block_each_snapshot(struct json_object *block, int (*each)(void *context, const char *name),
			void *context)
{
	struct json_object *list = field(field(field(block, "inserted"), "image"), "snapshots");
	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = each(context, text_of(json_object_array_get_idx(list, i), "name"));
	return r;
}
