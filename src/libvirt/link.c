/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/link.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt-qemu.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "libvirt/connection.h"
#include "libvirt/error.h"
#include "libvirt/events.h"
#include "vmguard/deadline.h"

/* Guards `refs` and `calls` of all links, and `opening`; held for a few instructions only. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int opening; /* links of this process, late ones too */

struct link_call {
	struct deadline_call base;
	int (*work)(struct link_call *c); /* fills `fault` when it fails */
	struct link *link;		  /* a reference, NULL: taken */
	int *count;			  /* where it counts: link->calls or opening */
	char *texts[2];			  /* arguments; freed with the call */
	int fd;				  /* a copy, or -1 */
	unsigned flags;
	int limit_s; /* libvirt's own, of the agent */
	struct fault fault;
	char *reply; /* result */
	struct link_state state;
	unsigned long version;
};

/* ---- references ----------------------------------------------------------------------- */

/* May wait for libvirtd, for ever where that is frozen. */
static void link_free(struct link *link)
{
	events_stop(link);
	if (link->domain)
		virDomainFree(link->domain);
	if (link->connection)
		virConnectClose(link->connection);
	inbox_unref(link->inbox);
	free(link);
}

static void link_unref(struct link *link)
{
	pthread_mutex_lock(&mutex);
	bool last = --link->refs == 0;
	pthread_mutex_unlock(&mutex);
	if (last)
		link_free(link);
}

static struct link *link_new(struct inbox *inbox)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->monitor_events = link->lifecycle_events = -1;
	link->refs = 1;
	link->inbox = inbox ? inbox_ref(inbox) : NULL;
	return link;
}

/* ---- calls ---------------------------------------------------------------------------- */

static int run_call(struct deadline_call *base)
{
	struct link_call *c = (struct link_call *)base;

	return c->work(c);
}

/* The call is over: its reference becomes the taker's. */
static struct link *take_link(struct link_call *c)
{
	pthread_mutex_lock(&mutex);
	--*c->count;
	pthread_mutex_unlock(&mutex);
	return give(c->link);
}

static void call_free(struct deadline_call *base, bool unwanted)
{
	struct link_call *c = (struct link_call *)base;

	if (unwanted)
		free(c->reply);
	if (c->fd >= 0)
		close(c->fd);
	if (c->link)
		link_unref(take_link(c));
	free(c->texts[0]);
	free(c->texts[1]);
	free(c);
}

/* Takes a reference of its own. */
static struct link_call *call_new(struct link *link, int *count, int (*work)(struct link_call *c))
{
	struct link_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->base.run = run_call;
	c->base.free = call_free;
	c->work = work;
	c->fd = -1;
	c->link = link;
	c->count = count;
	pthread_mutex_lock(&mutex);
	link->refs++;
	++*count;
	pthread_mutex_unlock(&mutex);
	return c;
}

/* Keeps the threads few that wait for an answer. */
static int check_calls(const int *count, int limit, struct fault *f)
{
	pthread_mutex_lock(&mutex);
	int calls = *count;
	pthread_mutex_unlock(&mutex);
	if (calls < limit)
		return 0;
	return fault_set(f, -ETIMEDOUT,
			 "%d calls have had no answer yet: QEMU or libvirtd is frozen", calls);
}

/* Runs it; where it fails it is freed. */
static int call_run(struct link_call *c, struct fault *f)
{
	int r = deadline_run(&c->base, MONITOR_LIMIT_MS);

	if (r == -ETIMEDOUT)
		return fault_set(f, r,
				 "no answer within %d s: QEMU or libvirtd is frozen, or libvirt "
				 "is at work on the domain",
				 MONITOR_LIMIT_MS / 1000);
	if (r < 0)
		fault_errno(f, r, "start a thread");
	else
		r = c->base.result;
	if (r < 0 && c->fault.code)
		*f = c->fault;
	if (r < 0)
		c->base.free(&c->base, true);
	return r;
}

/* What libvirt said just now, and whether there still is somebody to ask. */
static int fail(struct link_call *c)
{
	int code = error_tell(&c->fault, virGetLastError());

	if (!link_is_alive(c->link) || code == -ENOENT || code == -ENOTCONN ||
	    virDomainIsActive(c->link->domain) == 0)
		code = -ECONNRESET;
	c->fault.code = code;
	return code;
}

/* ---- open and close ------------------------------------------------------------------- */

static int connect_to(struct link_call *c)
{
	struct link *link = c->link;
	int r = connection_open(c->texts[0], &link->connection, link->uri, &c->fault);

	if (!r)
		virConnectSetKeepAlive(link->connection, LINK_KEEPALIVE_SECONDS,
				       LINK_KEEPALIVE_MISSED);
	return r;
}

static int find_domain(struct link_call *c)
{
	struct link *link = c->link;
	const char *wanted = c->texts[1];

	link->domain = virDomainLookupByName(link->connection, wanted);
	if (!link->domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
		link->domain = virDomainLookupByUUIDString(link->connection, wanted);
		if (!link->domain && link_is_alive(link))
			return fault_set(&c->fault, -ENOENT, "%s has no such domain", link->uri);
	}
	if (!link->domain || virDomainGetUUIDString(link->domain, link->uuid) < 0)
		return error_tell(&c->fault, virGetLastError());
	snprintf(link->name, sizeof(link->name), "%s", virDomainGetName(link->domain));
	return 0;
}

static int open_link(struct link_call *c)
{
	struct link *link = c->link;
	int r = connect_to(c);

	if (!r)
		r = find_domain(c);
	if (r < 0)
		return r;
	/* Before it is asked whether it runs: an end after that is heard. */
	if (link->inbox && events_start(link) < 0)
		return error_tell(&c->fault, virGetLastError());
	link->domain_id = (int)virDomainGetID(link->domain);
	if (virDomainIsActive(link->domain) == 1)
		return 0;
	return fault_set(&c->fault, -ENOTCONN, "it does not run at %s: start it first", link->uri);
}

/* The last reference, which may hang, goes in the call's thread. */
static int drop_link(struct link_call *c)
{
	link_unref(take_link(c));
	return 0;
}

static int open_or_drop(struct link_call *c)
{
	int r = open_link(c);

	return r < 0 ? drop_link(c), r : 0;
}

int link_open(const char *uri, const char *domain, struct inbox *inbox, struct link **link,
	      struct fault *f)
{
	int r = check_calls(&opening, LINK_OPENING_MAX, f);

	if (r < 0)
		return r;
	struct link *made = link_new(inbox);
	struct link_call *c = made ? call_new(made, &opening, open_or_drop) : NULL;
	if (!c) {
		if (made)
			link_unref(made);
		return fault_errno(f, -ENOMEM, "call libvirt");
	}
	link_unref(made); /* the call's reference becomes the caller's */
	c->texts[0] = uri ? strdup(uri) : NULL;
	c->texts[1] = strdup(domain);
	r = call_run(c, f);
	if (r < 0)
		return r;
	*link = take_link(c);
	c->base.free(&c->base, false);
	return 0;
}

void link_close(struct link *link)
{
	struct link_call *c = link ? call_new(link, &link->calls, drop_link) : NULL;
	struct fault ignored;

	if (!c)
		return;
	link_unref(link);
	if (!call_run(c, &ignored))
		c->base.free(&c->base, false);
}

bool link_is_alive(const struct link *link)
{
	return link->connection && virConnectIsAlive(link->connection) == 1;
}

/* ---- what is asked -------------------------------------------------------------------- */

static int pass_command(struct link_call *c)
{
	unsigned count = 0;
	int *files = NULL;
	int r = virDomainQemuMonitorCommandWithFiles(c->link->domain, c->texts[0], c->fd >= 0,
						     &c->fd, &count, &files, &c->reply, 0);

	for (unsigned i = 0; i < count && r == 0; i++)
		close(files[i]);
	free(files);
	return r < 0 ? fail(c) : 0;
}

int link_monitor(struct link *link, const char *command, int pass_fd, char **reply, struct fault *f)
{
	int r = check_calls(&link->calls, LINK_CALLS_MAX, f);

	if (r < 0)
		return r;
	struct link_call *c = call_new(link, &link->calls, pass_command);
	if (!c)
		return fault_errno(f, -ENOMEM, "call libvirt");
	c->texts[0] = strdup(command);
	if (pass_fd >= 0)
		c->fd = fcntl(pass_fd, F_DUPFD_CLOEXEC, 0);
	if (!c->texts[0] || (pass_fd >= 0 && c->fd < 0)) {
		r = fault_errno(f, c->texts[0] ? -errno : -ENOMEM, "call libvirt");
		c->base.free(&c->base, true);
		return r;
	}
	r = call_run(c, f);
	if (r < 0)
		return r;
	*reply = give(c->reply);
	c->base.free(&c->base, false);
	return 0;
}

static int ask_state(struct link_call *c)
{
	virTypedParameterPtr facts = NULL;
	int count = 0;

	if (virDomainGetState(c->link->domain, &c->state.state, &c->state.reason, 0) < 0 ||
	    virDomainGetJobStats(c->link->domain, &c->state.job, &facts, &count, 0) < 0)
		return fail(c);
	virTypedParamsGetInt(facts, count, VIR_DOMAIN_JOB_OPERATION, &c->state.operation);
	virTypedParamsFree(facts, count);
	return 0;
}

int link_state(struct link *link, struct link_state *state, struct fault *f)
{
	int r = check_calls(&link->calls, LINK_CALLS_MAX, f);

	if (r < 0)
		return r;
	struct link_call *c = call_new(link, &link->calls, ask_state);
	if (!c)
		return fault_errno(f, -ENOMEM, "call libvirt");
	r = call_run(c, f);
	if (r < 0)
		return r;
	*state = c->state;
	c->base.free(&c->base, false);
	return 0;
}

static int ask_definition(struct link_call *c)
{
	c->reply = virDomainGetXMLDesc(c->link->domain, c->flags);
	return c->reply ? 0 : fail(c);
}

int link_definition(struct link *link, bool portable, char **xml, struct fault *f)
{
	int r = check_calls(&link->calls, LINK_CALLS_MAX, f);

	if (r < 0)
		return r;
	struct link_call *c = call_new(link, &link->calls, ask_definition);
	if (!c)
		return fault_errno(f, -ENOMEM, "call libvirt");
	c->flags = portable ? VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE : 0;
	r = call_run(c, f);
	if (r < 0)
		return r;
	*xml = give(c->reply);
	c->base.free(&c->base, false);
	return 0;
}

static int pass_to_agent(struct link_call *c)
{
	c->reply = virDomainQemuAgentCommand(c->link->domain, c->texts[0], c->limit_s, 0);
	if (c->reply)
		return 0;
	switch (virGetLastErrorCode()) {
	case VIR_ERR_AGENT_UNRESPONSIVE:
		error_tell(&c->fault, virGetLastError());
		return c->fault.code = -ETIMEDOUT;
	case VIR_ERR_INTERNAL_ERROR:
		error_tell(&c->fault, virGetLastError());
		return c->fault.code = -EREMOTEIO;
	default:
		return fail(c);
	}
}

int link_agent(struct link *link, const char *command, int limit_s, struct fault *f)
{
	struct link_call *c = call_new(link, &link->calls, pass_to_agent);

	if (!c)
		return fault_errno(f, -ENOMEM, "call libvirt");
	c->limit_s = limit_s;
	c->texts[0] = strdup(command);
	int r = c->texts[0] ? call_run(c, f) : fault_errno(f, -ENOMEM, "call libvirt");
	if (r < 0 && c->texts[0])
		return r;
	c->base.free(&c->base, true);
	return r;
}

static int ask_version(struct link_call *c)
{
	return virConnectGetLibVersion(c->link->connection, &c->version) < 0 ? fail(c) : 0;
}

int link_version(struct link *link, unsigned long *version, struct fault *f)
{
	struct link_call *c = call_new(link, &link->calls, ask_version);

	if (!c)
		return fault_errno(f, -ENOMEM, "call libvirt");
	int r = call_run(c, f);
	if (r < 0)
		return r;
	*version = c->version;
	c->base.free(&c->base, false);
	return 0;
}
