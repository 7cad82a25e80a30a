/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU locks a file that it has open with shared locks on single bytes (block/file-posix.c): the
 * operations it does, and those that others must not. Who has all of them for himself is alone.
 */
#include "disks/file_return.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disks/qemu_img.h"
#include "disks/reflink.h"

enum {
	LOCK_FIRST = 100, /* RAW_LOCK_PERM_BASE; RAW_LOCK_SHARED_BASE is 200 */
	LOCK_BYTES = 200,
};

/* Locks it against every QEMU until it is closed. */
static int open_alone(const struct disk *d, int *fd, struct fault *f)
{
	struct flock lock = {.l_type = F_WRLCK,
			     .l_whence = SEEK_SET,
			     .l_start = LOCK_FIRST,
			     .l_len = LOCK_BYTES};

	auto_fd int file = open(d->source, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return fault_errno(f, -errno, "disk %s: open %s", d->target, d->source);
	if (fcntl(file, F_OFD_SETLK, &lock) < 0)
		return errno == EAGAIN || errno == EACCES
			       ? fault_set(f, -EBUSY,
					   "disk %s: %s is open elsewhere: end its guest there "
					   "first",
					   d->target, d->source)
			       : fault_errno(f, -errno, "disk %s: lock %s", d->target, d->source);
	*fd = give_fd(&file);
	return 0;
}

static int note_name(void *name, const char *found)
{
	return !strcmp(name, found); /* ends the search */
}

static int find_snapshot(const struct disk *d, struct fault *f)
{
	char name[DISK_SNAPSHOT_BYTES];
	auto_fd int copy = -1;

	snprintf(name, sizeof(name), "%s", d->snapshot);
	int r = d->way == DISK_REFLINK ? reflink_open(d, &copy, f)
				       : qemu_img_each(d->source, note_name, name, f);
	if (r || d->way == DISK_REFLINK)
		return r;
	return fault_set(f, -ENOENT, "disk %s: %s has no snapshot %s any more", d->target,
			 d->source, d->snapshot);
}

int file_return_look(const struct disk *d, struct fault *f)
{
	auto_fd int alone = -1;
	int r = open_alone(d, &alone, f);

	if (!r)
		r = find_snapshot(d, f);
	return r < 0 ? r : 0;
}

static int roll_back_copy(const struct disk *d, struct fault *f)
{
	auto_fd int alone = -1, copy = -1;
	struct stat then;
	int r = open_alone(d, &alone, f);

	if (!r)
		r = reflink_open(d, &copy, f);
	if (r < 0)
		return r;
	if (fstat(copy, &then) < 0 || ioctl(alone, FICLONE, copy) < 0 ||
	    ftruncate(alone, then.st_size) < 0 || fsync(alone) < 0)
		return fault_errno(f, -errno, "disk %s: share the blocks of %s.%s with it again",
				   d->target, d->source, d->snapshot);
	return 0;
}

int file_return_roll_back(const struct disk *d, struct fault *f)
{
	return d->way == DISK_REFLINK ? roll_back_copy(d, f)
				      : qemu_img_apply(d->source, d->snapshot, f);
}

/* ---- clones ------------------------------------------------------------------------------ */

/* With the rights of the original. */
static int make_file(const struct disk *d, const char *clone, int *fd, struct fault *f)
{
	struct stat original;

	if (stat(d->source, &original) < 0)
		return fault_errno(f, -errno, "disk %s: look at %s", d->target, d->source);
	auto_fd int file = open(clone, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return errno == EEXIST
			       ? fault_set(f, -EEXIST,
					   "disk %s: there is a file %s already: remove "
					   "it if nobody needs it",
					   d->target, clone)
			       : fault_errno(f, -errno, "disk %s: make %s", d->target, clone);
	if (fchown(file, original.st_uid, original.st_gid) < 0 ||
	    fchmod(file, original.st_mode & 07777) < 0) {
		int code = -errno;

		unlink(clone);
		return fault_errno(f, code, "disk %s: give %s to its owner", d->target, clone);
	}
	*fd = give_fd(&file);
	return 0;
}

static int copy_reflink(const struct disk *d, int clone, struct fault *f)
{
	auto_fd int copy = -1;
	int r = reflink_open(d, &copy, f);

	if (!r && ioctl(clone, FICLONE, copy) < 0)
		r = fault_errno(f, -errno, "disk %s: share the blocks of %s.%s", d->target,
				d->source, d->snapshot);
	return r;
}

static int remove_other(void *path, const char *name)
{
	struct disk_snapshot_name n;
	struct fault f;

	return disk_snapshot_parse(name, &n) ? qemu_img_remove(path, name, &f) : 0;
}

/* All of the file at this moment, and back to the snapshot in it; 1: the blocks cannot be shared.
 */
static int share_qcow2(const struct disk *d, const char *path, int clone, struct fault *f)
{
	auto_fd int original = open(d->source, O_RDONLY | O_CLOEXEC);

	if (original < 0)
		return fault_errno(f, -errno, "disk %s: open %s", d->target, d->source);
	if (ioctl(clone, FICLONE, original) < 0)
		return 1;
	int r = qemu_img_apply(path, d->snapshot, f);
	return r < 0 ? r : qemu_img_each(path, remove_other, (void *)path, f);
}

static int copy_qcow2(const struct disk *d, const char *path, int clone, struct fault *f)
{
	int r = share_qcow2(d, path, clone, f);

	return r == 1 ? qemu_img_copy(d->source, d->snapshot, path, f) : r;
}

int file_return_clone(const struct disk *d, const char *clone, struct fault *f)
{
	auto_fd int file = -1;
	int r = make_file(d, clone, &file, f);

	if (r < 0)
		return r;
	r = d->way == DISK_REFLINK ? copy_reflink(d, file, f) : copy_qcow2(d, clone, file, f);
	if (!r && fsync(file) < 0)
		r = fault_errno(f, -errno, "disk %s: make %s durable", d->target, clone);
	if (r < 0)
		unlink(clone);
	return r;
}

int file_return_remove_clone(const struct disk *d, struct fault *f)
{
	auto_fd int alone = -1;
	int r = open_alone(d, &alone, f);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return unlink(d->source) < 0 ? fault_errno(f, -errno, "remove %s", d->source) : 0;
}
