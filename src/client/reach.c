/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why the daemon's socket is not reached: curl keeps that to itself. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/exchange.h"

int reach_wait(const struct client *c)
{
	const int64_t limit_ms = c->options.ask_ms;
	const struct timeval limit = {limit_ms / 1000, limit_ms % 1000 * 1000};
	const char *path = c->options.socket;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* While its backlog is full connect() waits as long as a write would. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EINTR)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

/* Whom the socket is for, as far as we may see it. */
static void owner_group(const char *path, char *name, size_t bytes)
{
	struct group group, *found = NULL;
	char texts[1024];
	struct stat status;

	if (stat(path, &status) == 0 && status.st_gid)
		getgrgid_r(status.st_gid, &group, texts, sizeof(texts), &found);
	snprintf(name, bytes, "%s", found ? found->gr_name : "vmguard");
}

static int forbidden(const char *path, int code, struct fault *f)
{
	char group[64];

	owner_group(path, group, sizeof(group));
	return fault_set(
		f, code,
		"you may not use %s: it is for root and the group %s; become one of it with "
		"\"usermod --append --groups %s USER\" and a new login, or use sudo",
		path, group, group);
}

int reach_fault(const struct client *c, int code, struct fault *f)
{
	const char *path = c->options.socket;

	switch (code) {
	case -ENOENT:
		return fault_set(f, code,
				 "there is no %s: is vmguardd running? systemctl status vmguardd",
				 path);
	case -ECONNREFUSED:
		return fault_set(f, code,
				 "nobody answers on %s: is vmguardd running? systemctl status "
				 "vmguardd",
				 path);
	case -EACCES:
	case -EPERM:
		return forbidden(path, code, f);
	default:
		return fault_errno(f, code, "connect to vmguardd on %s", path);
	}
}

const char *reach_name(const struct client *c, char *name, size_t bytes)
{
	snprintf(name, bytes, "vmguardd%s%s", c->options.url ? " at " : "",
		 c->options.url ? c->options.url : "");
	return name;
}
