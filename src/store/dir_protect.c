/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protected commits of the directory backend. A marker beside the commit says so; it needs no
 * right to write the image, so that it works beside a live writer:
 *
 *	protect   lock the commit as a reader does -> make or unlink the marker -> fsync folder
 *	remove    lock it alone -> is there a marker?       either comes first, never both at once
 */
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

/* 1, 0; -ENOENT where there is no such commit, whatever marker was left of it. */
static int is_marked(int folder, struct checkpoint_id id)
{
	char name[CHECKPOINT_NAME_BYTES], marker[DIR_MARKER_BYTES];

	checkpoint_name(id, name);
	dir_marker_name(id, marker);
	if (faccessat(folder, name, F_OK, 0) < 0)
		return -errno;
	if (faccessat(folder, marker, F_OK, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int fault_unknown(struct fault *f, int code, const char *guest, struct checkpoint_id id)
{
	char name[CHECKPOINT_NAME_BYTES];

	checkpoint_name(id, name);
	if (code == -ENOENT)
		return fault_set(f, code, "%s has no %s", guest, name);
	return fault_errno(f, code, "see whether %s of %s is protected", name, guest);
}

int dir_check_unprotected(int folder, const char *guest, struct checkpoint_id id, struct fault *f)
{
	int r = is_marked(folder, id);

	if (r == 1)
		return fault_set(f, -EBUSY,
				 "checkpoint %" PRIu64 " of %s is protected: vmguard snapshots "
				 "--unprotect %s@%" PRIu64 " allows it",
				 id.number, guest, guest, id.number);
	return r < 0 ? fault_unknown(f, r, guest, id) : 0;
}

static int make_marker(int folder, const char *marker)
{
	int fd = openat(folder, marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 0;
}

static int change_marker(int folder, struct checkpoint_id id, bool on)
{
	char marker[DIR_MARKER_BYTES];
	int r = 0;

	dir_marker_name(id, marker);
	if (on)
		r = make_marker(folder, marker);
	else if (unlinkat(folder, marker, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && fsync(folder) < 0)
		r = -errno;
	return r;
}

static int protect_locked(struct dir_image *image, struct checkpoint_id id, bool on,
			  struct fault *f)
{
	auto_fd int commit = -1;
	int r = dir_commit_lock(image->folder, id, F_RDLCK, &commit, f);

	if (r < 0)
		return r;
	r = change_marker(image->folder, id, on);
	return r < 0 ? fault_errno(f, r, "%s the marker", on ? "make" : "remove") : 0;
}

int dir_protect(struct store *s, const char *guest, struct checkpoint_id id, bool on,
		struct fault *f)
{
	struct store_image *image;
	int r = dir_image_open(s, guest, STORE_READ, NULL, &image, f);

	if (r < 0)
		return r;
	r = protect_locked(dir_image_of(image), id, on, f);
	dir_image_close(image);
	return r < 0 ? fault_wrap(f, "%s checkpoint %" PRIu64 " of %s",
				  on ? "protect" : "unprotect", id.number, guest)
		     : 0;
}

int dir_is_protected(struct store_image *base, struct checkpoint_id id, struct fault *f)
{
	int r = is_marked(dir_image_of(base)->folder, id);

	return r < 0 ? fault_unknown(f, r, base->guest, id) : r;
}
