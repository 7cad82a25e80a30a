/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's console, as a stream of libvirt's, which libvirt's event loop fills. */
#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "libvirt/call.h"
#include "libvirt/error.h"
#include "vmguard/clock.h"
#include "vmguard/scope.h"

enum {
	POLL_US = 20000,
	CLOSE_LIMIT_MS = 5000,
	NOTHING = -2, /* virStreamRecv(): it would have to wait */
};

struct libvirt_console {
	struct deadline_call closing;
	virStreamPtr stream;
};

static int open_console(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = domain_call_find_started(c, connection);
	virStreamPtr stream = domain ? virStreamNew(connection, VIR_STREAM_NONBLOCK) : NULL;

	if (!domain)
		return c->fault.code;
	/* Who looks at it by hand is not thrown out. */
	if (!stream || virDomainOpenConsole(domain, NULL, stream, VIR_DOMAIN_CONSOLE_SAFE) < 0) {
		error_tell(&c->fault, virGetLastError());
		if (stream)
			virStreamFree(stream);
		stream = NULL;
	}
	virDomainFree(domain);
	c->results.stream = stream;
	return c->fault.code;
}

int libvirt_console_open(const struct libvirt_domain *d, struct libvirt_console **c,
			 struct fault *f)
{
	const struct domain_order order = {open_console, MONITOR_LIMIT_MS};
	auto_free struct libvirt_console *made = calloc(1, sizeof(*made));
	struct domain_results results = {0};

	if (!made)
		return fault_errno(f, -ENOMEM, "open a console");
	int r = domain_call(d, &order, &results, f);
	if (r < 0)
		return fault_wrap(f, "open the console");
	made->stream = results.stream;
	*c = give(made);
	return 0;
}

int libvirt_console_read(struct libvirt_console *c, char *text, size_t room, int limit_ms,
			 struct fault *f)
{
	int64_t until = monotonic_ms() + limit_ms;
	int r = virStreamRecv(c->stream, text, room);

	while (r == NOTHING && monotonic_ms() < until) {
		sleep_us(POLL_US);
		r = virStreamRecv(c->stream, text, room);
	}
	if (r > 0)
		return r;
	return r == NOTHING ? 0 : fault_set(f, -EPIPE, "the console is closed");
}

static int run_close(struct deadline_call *base)
{
	struct libvirt_console *c = (struct libvirt_console *)base;

	virStreamAbort(c->stream);
	virStreamFree(c->stream);
	return 0;
}

static void free_closed(struct deadline_call *base, bool unwanted)
{
	(void)unwanted;
	free(base);
}

void libvirt_console_close(struct libvirt_console *c)
{
	if (!c)
		return;
	c->closing.run = run_close;
	c->closing.free = free_closed;
	if (deadline_run(&c->closing, CLOSE_LIMIT_MS) != -ETIMEDOUT)
		c->closing.free(&c->closing, false);
}
