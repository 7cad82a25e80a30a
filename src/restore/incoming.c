/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restore/incoming.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "restore/pages.h"
#include "vmguard/clock.h"

enum { CONNECT_LIMIT_MS = 10000, CONNECT_POLL_US = 1000, CHANNELS_MAX = 2 };

static const char postcopy[] = "postcopy-ram";
static const char preempt[] = "postcopy-preempt";
static const char fd_name[] = "vmguard-incoming";

int incoming_check(struct hypervisor *h, struct fault *f)
{
	char state[32];
	int r = hypervisor_run_state(h, state, f);

	if (r < 0 || !strcmp(state, "inmigrate"))
		return r;
	return fault_set(f, -EPERM,
			 "QEMU at %s is \"%s\" and waits for no stream: start it with "
			 "-incoming defer",
			 h->where, state);
}

/* "            pc.ram    2 MiB  0x…": the size in bytes, 0 where the line is of no block of ours.
 */
static uint64_t page_size_in(const char *line, const char *name)
{
	size_t length = strlen(name);
	unsigned long long value;
	char unit;

	line += strspn(line, " ");
	if (strncmp(line, name, length) != 0 || line[length] != ' ')
		return 0;
	if (sscanf(line + length, " %llu %ciB", &value, &unit) != 2)
		return 0;
	return unit == 'K'   ? value << 10
	       : unit == 'M' ? value << 20
	       : unit == 'G' ? value << 30
			     : 0;
}

static uint64_t find_page_size(const char *text, const char *name, uint64_t otherwise)
{
	for (; text && *text; text = strchr(text, '\n')) {
		text += *text == '\n';
		uint64_t bytes = page_size_in(text, name);
		if (bytes)
			return bytes;
	}
	return otherwise;
}

/* For one of 1 GiB a guest would stand still as long as a full restore takes. */
static int check_host_pages(const struct ram_layout *l, const uint64_t *bytes, struct fault *f)
{
	for (size_t i = 0; i < l->block_count; i++)
		if (bytes[i] / l->page_bytes > UNIT_PAGES_MAX)
			return fault_set(f, -EOPNOTSUPP,
					 "RAM block %s has host pages of %" PRIu64
					 " MiB, too large to be sent on demand",
					 l->blocks[i].name, bytes[i] >> 20);
	return 0;
}

int incoming_host_pages(struct hypervisor *h, const struct ram_layout *l, uint64_t **bytes,
			struct fault *f)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *text = NULL;

	json_object_object_add(arguments, "command-line", json_object_new_string("info ramblock"));
	int r = hypervisor_execute(h, "human-monitor-command", arguments, &text, f);
	if (r < 0)
		return r;
	auto_free uint64_t *sizes = calloc(l->block_count + 1, sizeof(*sizes));
	for (size_t i = 0; sizes && i < l->block_count; i++)
		sizes[i] = find_page_size(json_object_get_string(text), l->blocks[i].name,
					  l->page_bytes);
	json_object_put(text);
	r = sizes ? check_host_pages(l, sizes, f) : fault_errno(f, -ENOMEM, "list the RAM blocks");
	if (!r)
		*bytes = give(sizes);
	return r;
}

/*
 * Whether QEMU can take a second channel. A socket to listen on is given as "tcp:fd:NAME": until
 * 8.1 QEMU reads what is behind "tcp:" by the rules of all sockets (socket_parse() in
 * util/qemu-sockets.c). Later ones take only one connected descriptor.
 */
static bool can_listen(const struct hypervisor *h)
{
	int major = 0, minor = 0;

	sscanf(h->qemu_version, "%d.%d", &major, &minor);
	return !h->by_descriptor || major < 8 || (major == 8 && minor < 2);
}

int incoming_prepare(struct hypervisor *h, struct incoming *in, struct fault *f)
{
	struct fault ignored;

	*in = (struct incoming){.fd = -1, .preempt_fd = -1};
	int r = hypervisor_set_capability(h, "events", true, f);
	if (!r)
		r = hypervisor_set_capability(h, postcopy, true, f);
	if (r == -EREMOTEIO)
		f->code = -EOPNOTSUPP;
	else if (r < 0) /* it may be on nevertheless */
		hypervisor_set_capability(h, postcopy, false, &ignored);
	if (r < 0)
		return f->code;
	incoming_recall(h, can_listen(h) && !hypervisor_set_capability(h, preempt, true, &ignored),
			in);
	return 0;
}

void incoming_recall(const struct hypervisor *h, bool with_preempt, struct incoming *in)
{
	*in = (struct incoming){
		.fd = -1,
		.preempt_fd = -1,
		.preempt = with_preempt,
		.ends_preempt = atoi(h->qemu_version) < 8,
	};
}

static int connect_once(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return give_fd(&fd);
}

static int connect_to(const char *path, int *fd, struct fault *f)
{
	int64_t until = monotonic_ms() + CONNECT_LIMIT_MS;

	while ((*fd = connect_once(path)) < 0 && monotonic_ms() < until)
		sleep_us(CONNECT_POLL_US);
	return *fd < 0 ? fault_errno(f, *fd, "connect to QEMU at %s", path) : 0;
}

static int begin_incoming(struct hypervisor *h, const char *uri, bool recover, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "uri", json_object_new_string(uri));
	return recover ? hypervisor_execute_oob(h, "migrate-recover", arguments, f)
		       : hypervisor_execute(h, "migrate-incoming", arguments, NULL, f);
}

/* QEMU makes the socket. */
static int listen_at_path(struct hypervisor *h, const struct incoming *in, bool recover,
			  struct fault *f)
{
	char uri[120];

	snprintf(uri, sizeof(uri), "unix:%s", in->socket);
	return begin_incoming(h, uri, recover, f);
}

static int listen_here(const char *path, int *fd, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (made < 0 || bind(made, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(made, CHANNELS_MAX) < 0)
		return fault_errno(f, -errno, "listen at %s", path);
	*fd = give_fd(&made);
	return 0;
}

/* QEMU gets the socket. */
static int listen_with_descriptor(struct hypervisor *h, const struct incoming *in, bool recover,
				  struct fault *f)
{
	auto_fd int fd = -1;
	int r = listen_here(in->socket, &fd, f);

	if (!r)
		r = hypervisor_give_fd(h, fd, fd_name, f);
	return r < 0 ? r : begin_incoming(h, "tcp:fd:vmguard-incoming", recover, f);
}

/* QEMU gets the only channel. */
static int connect_descriptor(struct hypervisor *h, struct incoming *in, bool recover,
			      struct fault *f)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fault_errno(f, -errno, "make a socket");
	in->fd = ends[0];
	int r = hypervisor_give_fd(h, ends[1], fd_name, f);
	if (!r)
		r = begin_incoming(h, "fd:vmguard-incoming", recover, f);
	close(ends[1]);
	if (r < 0)
		close(give_fd(&in->fd));
	return r;
}

int incoming_connect(struct hypervisor *h, struct incoming *in, bool recover, struct fault *f)
{
	char folder[96];

	if (!can_listen(h))
		return connect_descriptor(h, in, recover, f);
	int r = run_directory(folder, f);
	if (r < 0)
		return r;
	snprintf(in->socket, sizeof(in->socket), "%s/in-%d", folder, (int)getpid());
	unlink(in->socket);
	r = h->by_descriptor ? listen_with_descriptor(h, in, recover, f)
			     : listen_at_path(h, in, recover, f);
	if (!r)
		r = connect_to(in->socket, &in->fd, f);
	if (!r && in->preempt)
		r = connect_to(in->socket, &in->preempt_fd, f);
	return r;
}

void incoming_leave(struct incoming *in)
{
	if (in->fd >= 0)
		close(in->fd);
	if (in->preempt_fd >= 0)
		close(in->preempt_fd);
	if (in->socket[0])
		unlink(in->socket);
	*in = (struct incoming){.fd = -1, .preempt_fd = -1};
}

void incoming_close(struct hypervisor *h, struct incoming *in)
{
	struct fault ignored;

	incoming_leave(in);
	/* Left on, it would forbid the next snapshot. */
	hypervisor_set_capability(h, preempt, false, &ignored);
	hypervisor_set_capability(h, postcopy, false, &ignored);
}
