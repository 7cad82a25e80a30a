/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Draining the FIFO of a snapshot whose reader died. QEMU holds it open for reading and writing,
 * so the pipe and what is in it outlive the reader, and /proc leads to it even when its name
 * was removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmguard/rescue.h"
#include "vmguard/scope.h"

enum { DRAIN_BYTES = 1 << 20 };

pid_t rescue_find_pid(const char *socket_path, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t length = sizeof(peer);
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fault_errno(f, -errno, "make a socket");
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path) >=
	    (int)sizeof(address.sun_path))
		return fault_set(f, -ENAMETOOLONG, "%s is too long for a socket", socket_path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fault_errno(f, -errno, "connect to %s", socket_path);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return fault_errno(f, -errno, "ask who listens on %s", socket_path);
	return peer.pid;
}

static bool is_capture_fifo(const char *link)
{
	return strstr(link, RESCUE_FIFO_SUFFIX) != NULL;
}

/* Opens the reading end of the pid's capture FIFO: a descriptor, -ENOENT: there is none. */
static int open_fifo(pid_t pid, struct fault *f)
{
	char folder[32];
	char path[64 + sizeof(((struct dirent *)0)->d_name)];
	char link[512];
	struct dirent *entry;
	int fd = -ENOENT;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)pid);
	DIR *fds = opendir(folder);
	if (!fds)
		return fault_errno(f, -errno, "look at the descriptors of process %d", (int)pid);
	while (fd == -ENOENT && (entry = readdir(fds))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		ssize_t length = readlink(path, link, sizeof(link) - 1);

		link[length < 0 ? 0 : length] = '\0';
		if (!is_capture_fifo(link))
			continue;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fd = fault_errno(f, -errno, "open %s", link);
	}
	closedir(fds);
	return fd;
}

static int drain(int fd, int quiet_ms, struct rescue_report *report, struct fault *f)
{
	auto_free uint8_t *nowhere = malloc(DRAIN_BYTES);

	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		int ready = poll(&poll_fd, 1, quiet_ms);

		if (ready < 0 && errno != EINTR)
			return fault_errno(f, -errno, "wait for the snapshot's FIFO");
		if (!ready)
			return 0;
		ssize_t n = read(fd, nowhere, nowhere ? DRAIN_BYTES : 0);
		if (!n)
			return 0; /* QEMU closed it: the snapshot is over */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fault_errno(f, -errno, "drain the snapshot's FIFO");
		report->drained_bytes += n > 0 ? n : 0;
	}
}

int rescue_drain(pid_t pid, int quiet_ms, struct rescue_report *report, struct fault *f)
{
	auto_fd int fd = open_fifo(pid, f);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return fault_set(f, -EBUSY,
				 "a vmguard that lives is taking a snapshot of this guest: wait "
				 "for it, or stop it first");
	return drain(fd, quiet_ms, report, f);
}
