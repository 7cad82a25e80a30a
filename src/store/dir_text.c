/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts of the directory backend: PATH/.texts-KIND/GUEST, a file each, which is replaced as a
 * whole. One lock a kind, which ends with its process:
 *
 *	swap   lock -> is it the old one? -> ".new", fsync -> rename -> fsync folder
 */
#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOCK_FILE ".lock"
#define NEW_FILE ".new"

/* Who makes it makes it durable too, also where somebody else was faster. */
static int open_folder(struct store *s, const char *kind, bool make)
{
	int store = ((struct dir_store *)s)->fd;
	char name[STORE_KIND_BYTES + 16];

	snprintf(name, sizeof(name), ".texts-%s", kind);
	if (make && mkdirat(store, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (make && fsync(store) < 0)
		return -errno;
	int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* *text is NULL where there is none. */
static int read_text(int folder, const char *guest, char **text)
{
	auto_fd int fd = openat(folder, guest, O_RDONLY | O_CLOEXEC);
	auto_free char *room = malloc(STORE_TEXT_BYTES_MAX + 1);

	*text = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!room)
		return -ENOMEM;
	ssize_t n = read(fd, room, STORE_TEXT_BYTES_MAX + 1);
	if (n < 0 || n > STORE_TEXT_BYTES_MAX)
		return n < 0 ? -errno : -EFBIG;
	room[n] = '\0';
	*text = give(room);
	return 0;
}

/* ---- the list ---------------------------------------------------------------------------- */

static int tell(int folder, const char *guest,
		int (*each)(void *context, const char *guest, const char *text), void *context)
{
	auto_free char *text = NULL;
	struct fault ignored;

	if (store_check_name(guest, &ignored) < 0)
		return 0;
	int r = read_text(folder, guest, &text);
	return r < 0 || !text ? r : each(context, guest, text);
}

static int tell_all(int folder, DIR *names,
		    int (*each)(void *context, const char *guest, const char *text), void *context,
		    struct fault *f)
{
	struct dirent *entry;

	errno = 0;
	while ((entry = readdir(names))) {
		int r = tell(folder, entry->d_name, each, context);

		if (r < 0)
			return fault_errno(f, r, "the text of %s", entry->d_name);
		errno = 0;
	}
	return errno ? fault_errno(f, -errno, "read the folder") : 0;
}

int dir_texts(struct store *s, const char *kind,
	      int (*each)(void *context, const char *guest, const char *text), void *context,
	      struct fault *f)
{
	int folder = open_folder(s, kind, false);

	if (folder < 0)
		return folder == -ENOENT ? 0
					 : fault_errno(f, folder, "open %s of %s", kind, s->uri);
	DIR *names = fdopendir(folder);
	if (!names) {
		close(folder);
		return fault_errno(f, -ENOMEM, "list %s of %s", kind, s->uri);
	}
	int r = tell_all(folder, names, each, context, f);
	closedir(names);
	return r < 0 ? fault_wrap(f, "list %s of %s", kind, s->uri) : 0;
}

/* ---- the swap ---------------------------------------------------------------------------- */

/* Waits for others, who have it for milliseconds. */
static int lock(int folder, int *fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	auto_fd int file = openat(folder, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0)
		return -errno;
	while (fcntl(file, F_OFD_SETLKW, &whole) < 0)
		if (errno != EINTR)
			return -errno;
	*fd = give_fd(&file);
	return 0;
}

static int put_text(int folder, const char *guest, const char *text)
{
	auto_fd int fd = openat(folder, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t bytes = (ssize_t)strlen(text);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, bytes);
	if (n != bytes)
		return n < 0 ? -errno : -ENOSPC;
	return fsync(fd) < 0 || renameat(folder, NEW_FILE, folder, guest) < 0 ? -errno : 0;
}

static int change(int folder, const char *guest, const char *text)
{
	int r = text ? put_text(folder, guest, text) : 0;

	if (!text && unlinkat(folder, guest, 0) < 0)
		r = -errno;
	return !r && fsync(folder) < 0 ? -errno : r;
}

static int swap(int folder, const char *guest, const char *old, const char *text)
{
	auto_free char *now = NULL;
	auto_fd int locked = -1;
	int r = lock(folder, &locked);

	if (!r)
		r = read_text(folder, guest, &now);
	if (r < 0)
		return r;
	if (!now != !old || (now && strcmp(now, old) != 0))
		return -ESTALE;
	return now || text ? change(folder, guest, text) : 0;
}

int dir_text_swap(struct store *s, const char *kind, const char *guest, const char *old,
		  const char *text, struct fault *f)
{
	auto_fd int folder = open_folder(s, kind, true);
	int r = folder < 0 ? folder : swap(folder, guest, old, text);

	return r < 0 ? store_text_fault(s, kind, guest, r, f) : 0;
}
