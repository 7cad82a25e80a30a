/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which disks a running guest can write to, and whether each of them can have a snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disks/block.h"
#include "vmguard/hypervisor.h"

static bool object_is(struct hypervisor *h, const char *path, const char *property,
		      const char *beginning)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *value = NULL;
	struct fault unknown;

	json_object_object_add(arguments, "path", json_object_new_string(path));
	json_object_object_add(arguments, "property", json_object_new_string(property));
	if (hypervisor_execute(h, "qom-get", arguments, &value, &unknown) < 0)
		return false;
	bool is = !strncmp(json_object_get_string(value), beginning, strlen(beginning));
	json_object_put(value);
	return is;
}

/* Firmware in flash is part of the guest's memory: QEMU writes its file anew from that. */
static bool is_flash(struct hypervisor *h, struct json_object *block)
{
	const char *path = block_device_path(block);

	return *path && object_is(h, path, "type", "cfi.pflash");
}

static bool is_shared(struct hypervisor *h, struct json_object *block)
{
	const char *path = block_device_path(block);

	return *path && object_is(h, path, "share-rw", "true");
}

/* QEMU takes a path that does not begin with / from its own working directory. */
static int make_absolute(struct hypervisor *h, struct disk *d, struct fault *f)
{
	char cwd[64], folder[DISK_SOURCE_BYTES], path[DISK_SOURCE_BYTES * 2];

	if (d->source[0] == '/')
		return 0;
	snprintf(cwd, sizeof(cwd), "/proc/%d/cwd", (int)hypervisor_pid(h));
	ssize_t length = readlink(cwd, folder, sizeof(folder) - 1);
	if (length < 0)
		return fault_set(f, -EPERM,
				 "its path is relative to a folder that is not known: "
				 "give QEMU the whole path");
	folder[length] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, d->source) >= sizeof(d->source))
		return fault_set(f, -EPERM, "its path is too long");
	memcpy(d->source, path, sizeof(d->source));
	return 0;
}

/* Tries it with the first block, into a file without a name. */
static int try_reflink(const struct disk *d, const struct stat *status)
{
	char folder[DISK_SOURCE_BYTES];
	struct file_clone_range range = {.src_length = status->st_blksize};

	snprintf(folder, sizeof(folder), "%s", d->source);
	char *slash = strrchr(folder, '/');
	slash[slash == folder] = '\0';
	auto_fd int from = open(d->source, O_RDONLY | O_CLOEXEC);
	auto_fd int to = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		return -errno;
	range.src_fd = from;
	if (status->st_size < status->st_blksize)
		range.src_length = 0; /* to its end */
	return ioctl(to, FICLONERANGE, &range) < 0 ? -errno : 0;
}

static int check_reflink(const struct disk *d, const struct stat *status, struct fault *f)
{
	int r = try_reflink(d, status);

	if (!r)
		return 0;
	return fault_set(f, -EPERM,
			 "its file is raw and cannot be copied by sharing blocks (%s): use a "
			 "file system with reflinks (XFS, Btrfs), qcow2, or RBD",
			 strerror(-r));
}

static int check_file(struct hypervisor *h, struct disk *d, struct fault *f)
{
	struct stat status;

	if (make_absolute(h, d, f) < 0)
		return f->code;
	if (stat(d->source, &status) < 0)
		return fault_set(f, -EPERM,
				 "its file cannot be seen here (%s); of one that QEMU deletes at "
				 "its end (-snapshot) there are no snapshots",
				 strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fault_set(f, -EPERM,
				 "it is a device of this host, which keeps no snapshots: "
				 "put it into a qcow2 file or an RBD image");
	return d->way == DISK_REFLINK ? check_reflink(d, &status, f) : 0;
}

static int check_disk(struct hypervisor *h, struct json_object *block, struct disk *d,
		      struct fault *f)
{
	if (is_shared(h, block))
		return fault_set(f, -EPERM,
				 "other guests may write to it too, and their memory "
				 "would not fit to it: do not share it for writing");
	return d->storage == DISK_FILE ? check_file(h, d, f) : 0;
}

/* What its manager calls it is what people know. */
static void name_target(struct hypervisor *h, struct json_object *block, struct disk *d)
{
	char id[DISK_TARGET_BYTES], target[MONITOR_NAME_BYTES];
	struct fault unknown;

	_Static_assert((int)DISK_TARGET_BYTES == (int)MONITOR_NAME_BYTES, "a disk's name");
	block_device_id(block, id);
	if (id[0] && hypervisor_disk_name(h, id, target, &unknown) == 0)
		memcpy(d->target, target, sizeof(d->target));
}

static int refuse(const struct disk *d, struct fault *f)
{
	struct fault why = *f;

	return fault_set(
		f, why.code,
		"disk %s (%.200s) cannot be kept with the guest's memory: %.200s; or leave "
		"the disks out, to have them newer than the memory: --without-disks",
		d->target, d->source[0] ? d->source : "QEMU names no file", why.text);
}

/* As block_read_disk(), with all that is to be asked. */
static int inspect_disk(struct hypervisor *h, struct json_object *block, struct disk *d,
			struct fault *f)
{
	int r = block_read_disk(block, d, f);

	if (!r || is_flash(h, block))
		return 0;
	name_target(h, block, d);
	return r > 0 && check_disk(h, block, d, f) < 0 ? f->code : r;
}

static int read_disk(struct hypervisor *h, struct json_object *block, struct disk *d,
		     struct fault *f)
{
	int r = inspect_disk(h, block, d, f);

	return r < 0 ? refuse(d, f) : r;
}

static int read_disks(struct hypervisor *h, struct json_object *blocks, struct disk_list *list,
		      struct fault *f)
{
	size_t count =
		json_object_is_type(blocks, json_type_array) ? json_object_array_length(blocks) : 0;
	int r = 0;

	list->disks = calloc(count + 1, sizeof(*list->disks));
	if (!list->disks)
		return fault_errno(f, -ENOMEM, "look for the guest's disks");
	for (size_t i = 0; r >= 0 && i < count; i++) {
		r = read_disk(h, json_object_array_get_idx(blocks, i), &list->disks[list->count],
			      f);
		if (r > 0)
			list->count++;
	}
	return r < 0 ? r : 0;
}

/* A job keeps QEMU from making snapshots, which would be seen only when the guest stands still. */
static int check_jobs(struct hypervisor *h, struct fault *f)
{
	struct json_object *jobs = NULL;
	int r = hypervisor_execute(h, "query-block-jobs", NULL, &jobs, f);

	if (!r && json_object_is_type(jobs, json_type_array) && json_object_array_length(jobs))
		r = fault_set(f, -EPERM,
			      "a block job (backup, mirror, commit, stream) is under way on one of "
			      "the guest's disks: wait until it is over");
	json_object_put(jobs);
	return r;
}

int disks_find(struct hypervisor *h, struct disk_list *list, struct fault *f)
{
	struct json_object *blocks = NULL;
	int r = hypervisor_execute(h, "query-block", NULL, &blocks, f);

	*list = (struct disk_list){0};
	if (!r)
		r = read_disks(h, blocks, list, f);
	json_object_put(blocks);
	if (!r && list->count)
		r = check_jobs(h, f);
	if (r < 0)
		disk_list_clear(list);
	return r;
}

int disks_check(struct hypervisor *h,
		int (*refused)(void *context, const struct disk *d, const char *why), void *context,
		struct fault *f)
{
	struct json_object *blocks = NULL;
	int r = hypervisor_execute(h, "query-block", NULL, &blocks, f);
	size_t count =
		json_object_is_type(blocks, json_type_array) ? json_object_array_length(blocks) : 0;

	for (size_t i = 0; !r && i < count; i++) {
		struct disk d = {0};
		struct fault why;

		if (inspect_disk(h, json_object_array_get_idx(blocks, i), &d, &why) < 0)
			r = refused(context, &d, why.text);
	}
	json_object_put(blocks);
	return r == -ENOMEM ? fault_errno(f, r, "look at the guest's disks") : r;
}

static void locate(struct hypervisor *h, struct json_object *block, struct disk_list *list)
{
	struct fault ignored;
	struct disk d;

	if (block_read_disk(block, &d, &ignored) != 1 ||
	    (d.storage == DISK_FILE && make_absolute(h, &d, &ignored) < 0))
		return;
	for (size_t i = 0; i < list->count; i++)
		if (list->disks[i].storage == d.storage && !strcmp(list->disks[i].source, d.source))
			memcpy(list->disks[i].node, d.node, sizeof(d.node));
}

int disks_locate(struct hypervisor *h, struct disk_list *list, struct fault *f)
{
	struct json_object *blocks = NULL;
	int r = hypervisor_execute(h, "query-block", NULL, &blocks, f);

	for (size_t i = 0; i < list->count; i++)
		list->disks[i].node[0] = '\0';
	for (size_t i = 0; !r && i < json_object_array_length(blocks); i++)
		locate(h, json_object_array_get_idx(blocks, i), list);
	json_object_put(blocks);
	return r;
}
