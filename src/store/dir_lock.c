/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks in a guest's folder. They are locks of the open file (OFD): they end with the
 * process however it dies, work over NFS, and hold between two threads too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dir_folder.h"

#define LOCK_FILE "lock"

enum { LOCK_ATTEMPTS = 10 };

static int lock_whole(int fd, int type)
{
	struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int dir_commit_lock(int folder, struct checkpoint_id id, int type, int *fd, struct fault *f)
{
	char name[CHECKPOINT_NAME_BYTES];
	bool remove = type == F_WRLCK;
	struct stat st;

	checkpoint_name(id, name);
	auto_fd int commit = openat(folder, name, (remove ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (commit < 0 && errno == ENOENT)
		return fault_set(f, -ENOENT, "there is no %s", name);
	if (commit < 0)
		return fault_errno(f, -errno, "open %s", name);
	int r = lock_whole(commit, type);
	if (r == -EAGAIN && remove)
		return fault_set(f, -EBUSY, "%s is being read", name);
	/* It may have gone between open and lock. */
	if (r == -EAGAIN || (r == 0 && fstat(commit, &st) == 0 && st.st_nlink == 0))
		return fault_set(f, -ENOENT, "%s has just been removed", name);
	if (r < 0)
		return fault_errno(f, r, "lock %s", name);
	*fd = give_fd(&commit);
	return 0;
}

/* Says who holds the lock, as far as its file tells. */
static void read_holder(int fd, char *text, size_t bytes)
{
	ssize_t n = pread(fd, text, bytes - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

/* The reader's local time. */
static void format_since(int64_t seconds, char text[40])
{
	time_t when = (time_t)seconds;
	struct tm local;

	if (localtime_r(&when, &local))
		strftime(text, 40, " since %Y-%m-%d %H:%M:%S", &local);
}

static int fault_held(struct fault *f, int code, const char *guest, const char *holder)
{
	char pid[24], host[65], since[40] = "";
	int64_t started = 0;

	int fields = sscanf(holder, "%23s %64s %*x %" SCNd64, pid, host, &started);
	if (fields < 2)
		return fault_set(f, code, "%s is being written by another process", guest);
	if (fields == 3)
		format_since(started, since);
	return fault_set(f, code, "%s is being written by process %s on host %s%s: stop it first",
			 guest, pid, host, since);
}

static int write_holder(struct dir_writer_lock *lock)
{
	char host[65] = "?";
	uint64_t token = 0;

	gethostname(host, sizeof(host) - 1);
	if (getrandom(&token, sizeof(token), 0) < 0)
		return -errno;
	snprintf(lock->text, sizeof(lock->text), "%d %s %016" PRIx64 " %" PRId64 "\n",
		 (int)getpid(), host, token, (int64_t)time(NULL));
	ssize_t length = (ssize_t)strlen(lock->text);
	if (ftruncate(lock->fd, 0) < 0)
		return -errno;
	ssize_t n = pwrite(lock->fd, lock->text, (size_t)length, 0);
	if (n != length)
		return n < 0 ? -errno : -EIO;
	return 0;
}

static int open_folder(int store, const char *guest, bool create, int *folder)
{
	if (create && mkdirat(store, guest, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (create && fsync(store) < 0)
		return -errno;
	*folder = openat(store, guest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *folder < 0 ? -errno : 0;
}

/* -EAGAIN: the image was removed under our hands, try again. */
static int lock_once(int store, const char *guest, bool create, struct dir_writer_lock *lock,
		     struct fault *f)
{
	struct stat ours, named;
	int r = open_folder(store, guest, create, &lock->folder);

	if (r < 0)
		return r == -ENOENT ? -EAGAIN : fault_errno(f, r, "open folder %s", guest);
	lock->fd =
		openat(lock->folder, LOCK_FILE, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (lock->fd < 0)
		return errno == ENOENT ? -EAGAIN
				       : fault_errno(f, -errno, "open the lock of %s", guest);
	r = lock_whole(lock->fd, F_WRLCK);
	if (r == -EAGAIN) {
		read_holder(lock->fd, lock->text, sizeof(lock->text));
		return fault_held(f, -EBUSY, guest, lock->text);
	}
	if (r < 0)
		return fault_errno(f, r, "lock %s", guest);
	if (fstat(lock->fd, &ours) < 0 || fstatat(lock->folder, LOCK_FILE, &named, 0) < 0 ||
	    ours.st_ino != named.st_ino)
		return -EAGAIN;
	r = write_holder(lock);
	return r < 0 ? fault_errno(f, r, "write the lock of %s", guest) : 0;
}

int dir_writer_lock(int store, const char *guest, bool create, struct dir_writer_lock *lock,
		    struct fault *f)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < LOCK_ATTEMPTS; i++) {
		*lock = (struct dir_writer_lock){.folder = -1, .fd = -1};
		r = lock_once(store, guest, create, lock, f);
		if (r < 0)
			dir_writer_unlock(lock);
		if (!create && r == -EAGAIN)
			break;
	}
	if (r == -EAGAIN)
		r = fault_set(f, -ENOENT, "%s has no image", guest);
	return r;
}

int dir_writer_check(const struct dir_writer_lock *lock, struct fault *f)
{
	char text[sizeof(lock->text)] = "";
	auto_fd int fd = openat(lock->folder, LOCK_FILE, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		read_holder(fd, text, sizeof(text));
	if (!strcmp(text, lock->text))
		return 0;
	return fault_held(f, -ESHUTDOWN, "this guest", text);
}

void dir_writer_unlock(struct dir_writer_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	if (lock->folder >= 0)
		close(lock->folder);
	lock->fd = lock->folder = -1;
}
