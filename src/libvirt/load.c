/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A restore of libvirt's own, fed through a FIFO:
 *
 *	head (92 bytes) | definition, NUL | the stream, from whoever has libvirt_load_fd()
 *
 * Source: struct virQEMUSaveHeader in libvirt's src/qemu/qemu_saveimage.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "libvirt/connection.h"
#include "libvirt/error.h"
#include "libvirt/loop.h"
#include "libvirt/start.h"
#include "vmguard/clock.h"
#include "vmguard/definition.h"
#include "vmguard/scope.h"

enum {
	OPEN_LIMIT_MS = 30000,
	OPEN_POLL_US = 1000,
	TAKE_LIMIT_MS = 30000, /* the head */
	END_LIMIT_S = 60,      /* behind the stream's last byte */
	CUT_LIMIT_S = 3,       /* where that came too early */
	SAVE_VERSION = 2,
	PATH_BYTES = 128,
};

struct save_head {
	char magic[16];
	uint32_t version;
	uint32_t data_bytes;
	uint32_t was_running;
	uint32_t compressed;
	uint32_t cookie_offset;
	uint32_t unused[14];
};
_Static_assert(sizeof(struct save_head) == 92, "struct virQEMUSaveHeader");

/* The thread's: what a hung libvirt uses stays where it is. */
struct libvirt_load {
	pthread_t thread;
	struct libvirt_domain *domain; /* the caller's, not touched by the thread */
	struct libvirt_domain copy;    /* the thread's, with texts of its own */
	char *uri, *xml;
	char path[PATH_BYTES];
	int fd;
	_Atomic bool over;
	struct fault fault;
};

static void load_free(struct libvirt_load *load)
{
	if (load->fd >= 0)
		close(load->fd);
	if (load->path[0])
		unlink(load->path);
	free(load->uri);
	free(load->xml);
	free(load);
}

/* ---- libvirt's end ---------------------------------------------------------------------- */

static int restore(struct libvirt_load *load, virConnectPtr connection)
{
	struct fault *f = &load->fault;
	int r = start_check(&load->copy, connection, f);

	if (r < 0)
		return r;
	if (virDomainRestoreFlags(connection, load->path, NULL, VIR_DOMAIN_SAVE_RUNNING) < 0)
		return error_tell(f, virGetLastError());
	virDomainPtr domain = virDomainLookupByUUIDString(connection, load->copy.uuid);
	if (!domain)
		return error_tell(f, virGetLastError());
	load->copy.id = (int)virDomainGetID(domain);
	virDomainFree(domain);
	return 0;
}

static void *run_restore(void *argument)
{
	struct libvirt_load *load = argument;
	char actual[CONNECTION_URI_BYTES];
	virConnectPtr connection;
	int r = connection_open(load->uri, &connection, actual, &load->fault);

	if (!r)
		r = restore(load, connection);
	if (connection)
		virConnectClose(connection);
	if (r < 0)
		fault_wrap(&load->fault, "start a domain: domain \"%s\"", load->copy.name);
	load->over = true;
	return NULL;
}

/* ---- our end ---------------------------------------------------------------------------- */

/* The writer's end can be opened once libvirt has the reader's. */
static int open_fifo(struct libvirt_load *load, struct fault *f)
{
	int64_t until = monotonic_ms() + OPEN_LIMIT_MS;

	while (!load->over && monotonic_ms() < until) {
		load->fd = open(load->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (load->fd >= 0 || errno != ENXIO)
			break;
		sleep_us(OPEN_POLL_US);
	}
	if (load->fd >= 0)
		return 0;
	if (errno != ENXIO)
		return fault_errno(f, -errno, "open %s", load->path);
	return fault_set(f, -ETIMEDOUT, "libvirt has not opened %s within %d s", load->path,
			 OPEN_LIMIT_MS / 1000);
}

static int write_all(int fd, const void *bytes, size_t length, struct fault *f)
{
	const char *next = bytes;

	while (length) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		ssize_t n = write(fd, next, length);

		if (n < 0 && errno == EAGAIN && poll(&ready, 1, TAKE_LIMIT_MS) == 1)
			continue;
		if (n < 0)
			return fault_errno(f, -errno, "write the head of a save image");
		next += n;
		length -= n;
	}
	return 0;
}

static int write_head(struct libvirt_load *load, struct fault *f)
{
	size_t bytes = strlen(load->xml) + 1;
	struct save_head head = {
		.version = htole32(SAVE_VERSION),
		.data_bytes = htole32(bytes),
		.was_running = htole32(1),
	};

	memcpy(head.magic, "LibvirtQemudSave", sizeof(head.magic));
	int r = write_all(load->fd, &head, sizeof(head), f);
	return r < 0 ? r : write_all(load->fd, load->xml, bytes, f);
}

static int make_fifo(struct libvirt_load *load, struct fault *f)
{
	char folder[96];
	int r = run_directory(folder, f);

	if (r < 0)
		return r;
	snprintf(load->path, sizeof(load->path), "%s/load-%d", folder, (int)getpid());
	unlink(load->path);
	return mkfifo(load->path, 0600) < 0 ? fault_errno(f, -errno, "make %s", load->path) : 0;
}

static int load_new(struct libvirt_domain *d, struct libvirt_load **load, struct fault *f)
{
	struct libvirt_load *made = calloc(1, sizeof(*made));

	if (!made)
		return fault_errno(f, -ENOMEM, "start domain \"%s\"", d->name);
	made->fd = -1;
	made->domain = d;
	made->copy = *d;
	made->uri = d->uri ? strdup(d->uri) : NULL;
	made->xml = definition_clean(d->xml);
	made->copy.uri = made->copy.xml = NULL;
	made->copy.id = -1;
	int r = made->xml && (made->uri || !d->uri)
			? make_fifo(made, f)
			: fault_errno(f, -ENOMEM, "start domain \"%s\"", d->name);
	if (!r)
		r = loop_start(f);
	if (!r && (r = -pthread_create(&made->thread, NULL, run_restore, made)))
		fault_errno(f, r, "start a thread for libvirt");
	if (r < 0)
		load_free(made);
	else
		*load = made;
	return r;
}

int libvirt_load_begin(struct libvirt_domain *d, struct libvirt_load **load, struct fault *f)
{
	struct fault end;
	int r = load_new(d, load, f);

	if (r < 0)
		return r;
	r = open_fifo(*load, f);
	if (!r)
		r = write_head(*load, f);
	if (r < 0 && libvirt_load_end(give(*load), false, &end) < 0 && end.code != -ETIMEDOUT)
		*f = end; /* libvirt knows why */
	return r < 0 ? f->code : 0;
}

int libvirt_load_fd(const struct libvirt_load *load)
{
	return load->fd;
}

static bool join(struct libvirt_load *load, int limit_s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += limit_s;
	return pthread_timedjoin_np(load->thread, NULL, &until) == 0;
}

/* QEMU waits for ever where its stream ends before the first byte. */
static bool wait_for_libvirt(struct libvirt_load *load, bool whole)
{
	struct fault ignored;

	if (!whole && join(load, CUT_LIMIT_S))
		return true;
	if (!whole)
		libvirt_domain_end(load->domain, &ignored);
	return join(load, END_LIMIT_S);
}

/* Where libvirt hangs, the thread has the rest for itself. */
int libvirt_load_end(struct libvirt_load *load, bool whole, struct fault *f)
{
	if (load->fd >= 0)
		close(load->fd);
	load->fd = -1;
	if (!wait_for_libvirt(load, whole)) {
		pthread_detach(load->thread);
		return fault_set(f, -ETIMEDOUT,
				 "domain \"%s\": libvirt is not ready %d s after the last byte: "
				 "end it with virsh destroy %s",
				 load->copy.name, END_LIMIT_S, load->copy.name);
	}
	load->domain->id = load->copy.id;
	int r = load->fault.code;
	if (r < 0)
		*f = load->fault;
	load_free(load);
	return r;
}
