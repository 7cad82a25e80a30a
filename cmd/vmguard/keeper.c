/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* It reads nothing of the monitor, and its own process makes nothing but system calls. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmguard/scope.h"

enum { CHANNEL_FD = 3, BACKLOG = 4, PASSED_MAX = 2 };

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
};

/* A byte, and `count` descriptors with it. */
static int send_fds(int to, const int *fds, size_t count)
{
	union control control = {0};
	char byte = 'm';
	struct iovec piece = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	return sendmsg(to, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* How many descriptors came with the byte; -ECONNRESET: the other end is closed. */
static int receive_fds(int from, int fds[PASSED_MAX])
{
	union control control;
	char byte;
	struct iovec piece = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return 0;
	size_t bytes = header->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(header), bytes);
	return (int)(bytes / sizeof(int));
}

static int address_of(const char *path, struct sockaddr_un *address, struct fault *f)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return fault_set(f, -ENAMETOOLONG,
				 "the path %s is too long for a socket: set VMGUARD_RUN_DIR to a "
				 "shorter one",
				 path);
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

/* ---- the keeper's own process ---------------------------------------------------------------- */

struct guard {
	bool feeder_lives;
	int monitor, listener; /* -1: none */
	struct sockaddr_un at;
	struct stat file; /* of `at`: somebody else may have put his own there since */
};

static bool is_ours(const struct guard *g)
{
	struct stat now;

	return g->listener >= 0 && !stat(g->at.sun_path, &now) && now.st_ino == g->file.st_ino &&
	       now.st_ctim.tv_sec == g->file.st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == g->file.st_ctim.tv_nsec;
}

static void let_go(struct guard *g)
{
	if (is_ours(g))
		unlink(g->at.sun_path);
	if (g->monitor >= 0)
		close(g->monitor);
	if (g->listener >= 0)
		close(g->listener);
	g->monitor = g->listener = -1;
}

static void guard_these(struct guard *g, const int fds[PASSED_MAX])
{
	socklen_t length = sizeof(g->at);

	let_go(g);
	g->monitor = fds[0];
	g->listener = fds[1];
	getsockname(g->listener, (struct sockaddr *)&g->at, &length);
	stat(g->at.sun_path, &g->file);
}

/* False: there is nothing more to do. */
static bool listen_to_feeder(struct guard *g)
{
	int fds[PASSED_MAX];
	int count = receive_fds(CHANNEL_FD, fds);

	if (count == PASSED_MAX)
		guard_these(g, fds);
	if (count >= 0)
		return count > 0;
	g->feeder_lives = false;
	return g->monitor >= 0;
}

/* Who does not say that he has it may be dead; then it is held on, unless he has a keeper already.
 */
static bool hand_over(struct guard *g)
{
	auto_fd int taker = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC);
	char thanks;

	if (taker < 0 || send_fds(taker, &g->monitor, 1) < 0)
		return true;
	return read(taker, &thanks, 1) != 1 && is_ours(g);
}

/* A QEMU that is killed before its guest runs is followed by another one. */
static bool is_kept(struct guard *g)
{
	let_go(g);
	return g->feeder_lives;
}

static bool keep_on(struct guard *g)
{
	struct pollfd p[] = {
		{.fd = g->feeder_lives ? CHANNEL_FD : -1, .events = POLLIN},
		{.fd = g->monitor},
		{.fd = g->feeder_lives ? -1 : g->listener, .events = POLLIN},
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), -1) < 0)
		return errno == EINTR;
	if (p[0].revents)
		return listen_to_feeder(g);
	if (p[1].revents)
		return is_kept(g);
	return !p[2].revents || hand_over(g);
}

/* The channel moves first: where its vmguard has no stdio, it may be one of these numbers. */
static void keep_only(int channel)
{
	dup2(channel, CHANNEL_FD);
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < CHANNEL_FD; fd++)
		if (null < 0)
			close(fd);
		else
			dup2(null, fd);
	close_range(CHANNEL_FD + 1, ~0U, 0);
}

static _Noreturn void become_keeper(int channel)
{
	struct guard g = {.feeder_lives = true, .monitor = -1, .listener = -1};

	setsid();
	prctl(PR_SET_NAME, "vmguard-keeper");
	keep_only(channel);
	while (keep_on(&g))
		;
	let_go(&g);
	_exit(0);
}

/* ---- who has one, and who takes over --------------------------------------------------------- */

int keeper_start(struct keeper *k, struct fault *f)
{
	int ends[2];

	*k = (struct keeper){0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fault_errno(f, -errno, "start a keeper of the monitor");
	pid_t pid = fork();
	if (!pid)
		become_keeper(ends[1]);
	int code = -errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return fault_errno(f, code, "start a keeper of the monitor");
	}
	*k = (struct keeper){.pid = pid, .channel = ends[0]};
	return 0;
}

static int listen_at(const char *path, int *fd, struct fault *f)
{
	struct sockaddr_un address;

	*fd = -1;
	if (address_of(path, &address, f) < 0)
		return f->code;
	auto_fd int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (made < 0 || fchmod(made, 0600) < 0 ||
	    bind(made, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(made, BACKLOG) < 0)
		return fault_errno(f, -errno, "listen at %s", path);
	*fd = give_fd(&made);
	return 0;
}

int keeper_guard(struct keeper *k, int monitor, const char *path, struct fault *f)
{
	auto_fd int listener = -1;

	if (!k->pid)
		return fault_set(f, -ESRCH, "there is no keeper of the monitor");
	if (listen_at(path, &listener, f) < 0)
		return f->code;
	int r = send_fds(k->channel, (const int[]){monitor, listener}, PASSED_MAX);
	return r < 0 ? fault_errno(f, r, "tell the keeper of the monitor") : 0;
}

void keeper_end(struct keeper *k)
{
	if (!k->pid)
		return;
	(void)!send(k->channel, "e", 1, MSG_NOSIGNAL);
	waitpid(k->pid, NULL, 0);
	close(k->channel);
	*k = (struct keeper){0};
}

static int connect_to(const char *path, int *fd, struct fault *f)
{
	struct sockaddr_un address;

	if (address_of(path, &address, f) < 0)
		return f->code;
	auto_fd int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (made < 0 || connect(made, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int code = errno == ECONNREFUSED ? -ENOENT : -errno;

		return fault_errno(f, code, "connect to %s", path);
	}
	*fd = give_fd(&made);
	return 0;
}

int keeper_take(const char *path, int limit_ms, struct kept_monitor *m, struct fault *f)
{
	auto_fd int keeper = -1;
	int fds[PASSED_MAX];

	*m = (struct kept_monitor){-1, -1};
	if (connect_to(path, &keeper, f) < 0)
		return f->code;
	struct pollfd p = {.fd = keeper, .events = POLLIN};
	if (poll(&p, 1, limit_ms) <= 0)
		return fault_set(
			f, -EBUSY,
			"the monitor is kept for a vmguard that lives: it feeds the guest, "
			"or begins to");
	int r = receive_fds(keeper, fds);
	if (r != 1)
		return fault_set(f, -ENOENT, "the keeper of the monitor at %s has gone", path);
	*m = (struct kept_monitor){fds[0], give_fd(&keeper)};
	return 0;
}

void keeper_taken(struct kept_monitor *m)
{
	if (m->keeper < 0)
		return;
	(void)!send(m->keeper, "t", 1, MSG_NOSIGNAL);
	close(m->keeper);
	m->keeper = -1;
}
