/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks/reflink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PATH_BYTES = DISK_SOURCE_BYTES + DISK_SNAPSHOT_BYTES };

static void path_of(const struct disk *d, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s.%s", d->source, d->snapshot);
}

/* "" for the root. */
static const char *folder_of(const struct disk *d, char folder[PATH_BYTES])
{
	snprintf(folder, PATH_BYTES, "%s", d->source);
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	return slash ? folder : ".";
}

int reflink_make(const struct disk *d, struct fault *f)
{
	char path[PATH_BYTES];

	path_of(d, path);
	auto_fd int from = open(d->source, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return fault_errno(f, -errno, "disk %s: open %s", d->target, d->source);
	auto_fd int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return fault_errno(f, -errno, "disk %s: make %s", d->target, path);
	if (!ioctl(to, FICLONE, from))
		return 0;
	int code = -errno;
	unlink(path);
	return fault_errno(f, code, "disk %s: share the blocks of %s with %s", d->target, d->source,
			   path);
}

int reflink_settle(const struct disk *d, struct fault *f)
{
	char path[PATH_BYTES], folder[PATH_BYTES];

	path_of(d, path);
	auto_fd int copy = open(path, O_RDONLY | O_CLOEXEC);
	auto_fd int names = open(folder_of(d, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0 || names < 0 || fsync(copy) < 0 || fsync(names) < 0)
		return fault_errno(f, -errno, "disk %s: make %s durable", d->target, path);
	return 0;
}

int reflink_open(const struct disk *d, int *fd, struct fault *f)
{
	char path[PATH_BYTES];

	path_of(d, path);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? fault_errno(f, -errno, "disk %s: open %s", d->target, path) : 0;
}

int reflink_remove(const struct disk *d, struct fault *f)
{
	char path[PATH_BYTES];

	path_of(d, path);
	if (!unlink(path) || errno == ENOENT)
		return 0;
	return fault_errno(f, -errno, "remove %s", path);
}

int reflink_each(const struct disk *d, int (*each)(void *context, const char *name), void *context,
		 struct fault *f)
{
	char folder[PATH_BYTES];
	const char *file = strrchr(d->source, '/');
	size_t length;
	struct dirent *entry;
	int r = 0;
	DIR *names = opendir(folder_of(d, folder));

	file = file ? file + 1 : d->source;
	length = strlen(file);
	if (!names)
		return fault_errno(f, -errno, "look for copies of %s", d->source);
	while (!r && (entry = readdir(names)))
		if (!strncmp(entry->d_name, file, length) && entry->d_name[length] == '.')
			r = each(context, entry->d_name + length + 1);
	closedir(names);
	return r < 0 ? fault_errno(f, r, "copies of %s", d->source) : 0;
}
