/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/qmp_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "qmp/qmp_error.h"

int64_t qmp_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t qmp_deadline(int limit_ms)
{
	return qmp_now_ms() + (limit_ms > 0 ? limit_ms : 0);
}

static int64_t remaining_ms(int64_t deadline_ms)
{
	int64_t remaining = deadline_ms - qmp_now_ms();

	return remaining > 0 ? remaining : 0;
}

/*
 * A non-blocking connect() on a unix socket does not wait for room in a full backlog: it is
 * EAGAIN at once, and poll() tells nothing. A send timeout makes it wait, and only so long.
 */
static int connect_until(int fd, const struct sockaddr_un *address, int64_t deadline_ms)
{
	do {
		int64_t left = remaining_ms(deadline_ms);
		struct timeval limit = {left / 1000, left % 1000 * 1000};

		if (left == 0)
			limit.tv_usec = 1000; /* 0 would mean for ever */
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
			return 0;
	} while (errno == EINTR && remaining_ms(deadline_ms) > 0);
	return errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -errno;
}

int qmp_socket_connect(const char *path, int limit_ms, int *fd, struct qmp_error *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int64_t deadline_ms = qmp_deadline(limit_ms);
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return qmp_error_set(e, -ENAMETOOLONG,
				     "the socket path %s is longer than the %zu bytes that a unix "
				     "socket can have",
				     path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, length);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return qmp_error_set(e, -errno, "no socket for %s: %s", path, strerror(errno));
	int r = connect_until(*fd, &address, deadline_ms);
	if (r == 0)
		return 0;
	close(*fd);
	*fd = -1;
	if (r == -ETIMEDOUT)
		return qmp_error_set(e, r,
				     "nobody accepted a connection to %s within %d ms: other "
				     "clients hold the monitor",
				     path, limit_ms);
	return qmp_error_set(e, r, "connect to %s: %s", path, strerror(-r));
}

int qmp_socket_wait(int fd, short events, int64_t deadline_ms, short *ready)
{
	struct pollfd p = {.fd = fd, .events = events};
	int r = 0;

	do
		r = poll(&p, 1, (int)remaining_ms(deadline_ms));
	while (r < 0 && errno == EINTR);
	*ready = p.revents;
	return r < 0 ? -errno : r;
}

ssize_t qmp_socket_send(int fd, const char *bytes, size_t length, int pass_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec piece = {(char *)bytes, length};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	ssize_t n = 0;

	if (pass_fd > 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t qmp_socket_receive(int fd, char *bytes, size_t room)
{
	ssize_t n = 0;

	do
		n = recv(fd, bytes, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
