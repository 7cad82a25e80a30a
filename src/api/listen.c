/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/listen.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmguard/scope.h"

enum { BACKLOG = 128, ADDRESS_BYTES = 64 };

/* ---- a path ---------------------------------------------------------------------------------- */

static int find_group(const char *group, gid_t *gid, struct fault *f)
{
	*gid = (gid_t)-1;
	if (!group)
		return 0;
	errno = 0;
	const struct group *found = getgrnam(group);
	if (!found)
		return errno ? fault_errno(f, -errno, "look up the group %s", group)
			     : fault_set(f, -EINVAL,
					 "there is no group %s here: groupadd --system %s", group,
					 group);
	*gid = found->gr_gid;
	return 0;
}

/* A socket that nobody listens on any more is in the way: whoever made it was killed. */
static int remove_left(const struct sockaddr_un *address, struct fault *f)
{
	const char *path = address->sun_path;
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, -errno, "look at %s", path);
	if (!S_ISSOCK(status.st_mode))
		return fault_set(f, -EADDRINUSE, "%s is there already and is no socket", path);
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fault_errno(f, -errno, "open a socket");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		return fault_set(f, -EADDRINUSE, "another process answers on %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fault_errno(f, -errno, "remove %s, which nobody answers on", path);
	return 0;
}

/*
 * Linux gives the file the mode of the unbound socket: nobody may connect before it belongs to the
 * group. unix(7) does not say so, net/unix/af_unix.c does (unix_bind_bsd).
 */
static int bind_path(int fd, const struct sockaddr_un *address, gid_t gid, struct fault *f)
{
	const char *path = address->sun_path;

	if (fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return fault_errno(f, -errno, "make the socket %s", path);
	if ((gid != (gid_t)-1 && lchown(path, -1, gid) < 0) || chmod(path, 0660) < 0)
		return fault_errno(f, -errno, "let its group use %s", path);
	if (listen(fd, BACKLOG) < 0)
		return fault_errno(f, -errno, "listen on %s", path);
	return 0;
}

int listen_on_path(const char *path, const char *group, int *out, uint64_t *inode, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	gid_t gid;

	*out = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return fault_set(f, -EINVAL, "the socket's path %s is longer than %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	if (find_group(group, &gid, f) < 0 || remove_left(&address, f) < 0)
		return f->code;
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fault_errno(f, -errno, "open a socket");
	if (bind_path(fd, &address, gid, f) < 0)
		return f->code;
	*inode = lstat(path, &status) == 0 ? status.st_ino : 0;
	*out = give_fd(&fd);
	return 0;
}

void listen_forget_path(const char *path, uint64_t inode)
{
	struct stat status;

	if (lstat(path, &status) == 0 && status.st_ino == inode)
		unlink(path);
}

/* ---- an address ------------------------------------------------------------------------------ */

/* "[::]:7840" becomes "::" and "7840". */
static int split(char *text, const char **host, const char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text)
		return -EINVAL;
	*colon = 0;
	*port = colon + 1;
	*host = text;
	if (*text == '[' && colon[-1] == ']') {
		colon[-1] = 0;
		*host = text + 1;
	} else if (strchr(text, ':'))
		return -EINVAL;
	return **host && **port && strspn(*port, "0123456789") == strlen(*port) ? 0 : -EINVAL;
}

static unsigned bound_port(int fd)
{
	struct sockaddr_in6 address = {0};
	socklen_t bytes = sizeof(address);

	/* The port has the same place in both families. */
	return getsockname(fd, (struct sockaddr *)&address, &bytes) == 0 ? ntohs(address.sin6_port)
									 : 0;
}

static int bind_address(const struct addrinfo *where, const char *address, int *out,
			struct fault *f)
{
	static const int on = 1, off = 0;
	auto_fd int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fault_errno(f, -errno, "open a socket for %s", address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (where->ai_family == AF_INET6) /* [::] is every address, the old ones too */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, where->ai_addr, where->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return fault_errno(f, -errno, "listen on %s", address);
	*out = give_fd(&fd);
	return 0;
}

int listen_on_address(const char *address, int *fd, unsigned *port, struct fault *f)
{
	const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
	const char *host_text, *port_text;
	struct addrinfo *found = NULL;
	char text[ADDRESS_BYTES];

	*fd = -1;
	snprintf(text, sizeof(text), "%s", address);
	if (strlen(address) >= sizeof(text) || split(text, &host_text, &port_text) < 0 ||
	    strtoul(port_text, NULL, 10) > UINT16_MAX ||
	    getaddrinfo(host_text, port_text, &wanted, &found) != 0)
		return fault_set(
			f, -EINVAL,
			"%s is no address to listen on: write 192.0.2.1:7840, or [::]:7840 "
			"for all",
			address);
	int r = bind_address(found, address, fd, f);
	freeaddrinfo(found);
	if (r == 0)
		*port = bound_port(*fd);
	return r;
}
