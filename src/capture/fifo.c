/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmguard/hypervisor.h"
#include "vmguard/rescue.h"

/* As large as we get: what the reader may be late by before the guest notices. */
static const int pipe_bytes[] = {4 << 20, 1 << 20, 256 << 10};

static void enlarge(int fd)
{
	for (size_t i = 0; i < sizeof(pipe_bytes) / sizeof(pipe_bytes[0]); i++)
		if (fcntl(fd, F_SETPIPE_SZ, pipe_bytes[i]) >= 0)
			return;
}

/* A FIFO of this name may be left from a killed capture, or in use by one that lives. */
static int clear_path(const char *path, const char *guest, struct fault *f)
{
	auto_fd int old = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (old >= 0 && flock(old, LOCK_EX | LOCK_NB) < 0)
		return fault_set(f, -EBUSY, "another vmguard is taking a snapshot of %s", guest);
	if (unlink(path) < 0 && errno != ENOENT)
		return fault_errno(f, -errno, "remove %s", path);
	return 0;
}

int fifo_open(struct fifo *fifo, const char *guest, struct fault *f)
{
	char directory[96];
	int r = run_directory(directory, f);

	*fifo = (struct fifo){.give = -1, .read = -1};
	if (r < 0)
		return r;
	snprintf(fifo->path, sizeof(fifo->path), "%s/%s%s", directory, guest, RESCUE_FIFO_SUFFIX);
	r = clear_path(fifo->path, guest, f);
	if (r < 0)
		return r;
	if (mkfifo(fifo->path, 0600) < 0)
		return fault_errno(f, -errno, "make %s", fifo->path);
	fifo->give = open(fifo->path, O_RDWR | O_CLOEXEC);
	fifo->read = open(fifo->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fifo->give < 0 || fifo->read < 0 || flock(fifo->read, LOCK_EX | LOCK_NB) < 0) {
		fault_errno(f, -errno, "open %s", fifo->path);
		fifo_close(fifo);
		return f->code;
	}
	enlarge(fifo->read);
	return 0;
}

void fifo_given(struct fifo *fifo)
{
	close(give_fd(&fifo->give));
}

void fifo_close(struct fifo *fifo)
{
	if (fifo->give >= 0)
		fifo_given(fifo);
	if (fifo->read < 0)
		return;
	unlink(fifo->path);
	close(give_fd(&fifo->read));
}
