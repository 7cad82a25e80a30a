/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store in a directory: the store itself. Its images are in dir_image.c. */
#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static int dir_open(const char *path, struct store **s, struct fault *f)
{
	if (!*path)
		return fault_set(f, -EINVAL, "a path is missing after dir:");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fault_errno(f, -errno, "create directory %s", path);
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fault_errno(f, -errno, "open directory %s", path);
	struct dir_store *store = calloc(1, sizeof(*store));
	if (!store)
		return fault_errno(f, -ENOMEM, "open directory %s", path);
	store->fd = give_fd(&fd);
	*s = &store->base;
	return 0;
}

static void dir_close(struct store *s)
{
	struct dir_store *store = (struct dir_store *)s;

	close(store->fd);
	free(store);
}

/* Only a folder with our lock file is an image. */
static bool is_image(int store, const char *name)
{
	char lock[sizeof(((struct dirent *)0)->d_name) + sizeof("/lock")];
	struct fault f;
	struct stat st;

	if (store_check_name(name, &f) < 0)
		return false;
	snprintf(lock, sizeof(lock), "%s/lock", name);
	return fstatat(store, lock, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int list_names(int store, DIR *names, int (*each)(void *context, const char *guest),
		      void *context, struct fault *f)
{
	struct dirent *entry;
	int r;

	errno = 0;
	while ((entry = readdir(names))) {
		if (is_image(store, entry->d_name)) {
			r = each(context, entry->d_name);
			if (r < 0)
				return fault_errno(f, r, "list guest %s", entry->d_name);
		}
		errno = 0;
	}
	return errno ? fault_errno(f, -errno, "read the directory") : 0;
}

static int dir_list(struct store *s, int (*each)(void *context, const char *guest), void *context,
		    struct fault *f)
{
	struct dir_store *store = (struct dir_store *)s;
	auto_fd int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);

	if (!names)
		return fault_errno(f, -errno, "list the images of %s", s->uri);
	give_fd(&fd);
	int r = list_names(store->fd, names, each, context, f);
	closedir(names);
	return r < 0 ? fault_wrap(f, "list the images of %s", s->uri) : 0;
}

/* What an ordinary user may fill: some filesystems keep a part for root. */
static int dir_free_bytes(struct store *s, uint64_t *bytes, struct fault *f)
{
	struct dir_store *store = (struct dir_store *)s;
	struct statvfs st;

	*bytes = 0;
	if (fstatvfs(store->fd, &st) < 0)
		return fault_errno(f, -errno, "find the free space of %s", s->uri);
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

const struct store_ops store_dir_ops = {
	.name = "dir",
	.open = dir_open,
	.close = dir_close,
	.list = dir_list,
	.free_bytes = dir_free_bytes,
	.image_open = dir_image_open,
	.image_close = dir_image_close,
	.checkpoints = dir_checkpoints,
	.object_name = dir_object_name,
	.reserve = dir_reserve,
	.write = dir_write,
	.read = dir_read,
	.discard = dir_discard,
	.flush = dir_flush,
	.commit = dir_commit,
	.remove = dir_remove,
	.protect = dir_protect,
	.is_protected = dir_is_protected,
	.hold = dir_hold,
	.holders = dir_holders,
	.image_remove = dir_image_remove,
	.texts = dir_texts,
	.text_swap = dir_text_swap,
};
