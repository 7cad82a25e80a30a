/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend `libvirt`. A link that is dead is closed and another one opened by whoever needs it
 * next: a command waits for that, and waiting for an event tries it on the side.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libvirt/agent.h"
#include "libvirt/inbox.h"
#include "libvirt/link.h"
#include "libvirt/loop.h"
#include "libvirt/process.h"
#include "libvirt/state.h"
#include "libvirt/xml.h"
#include "vmguard/clock.h"
#include "vmguard/libvirt.h"
#include "vmguard/qmp.h"

enum { RETRY_MS = 200 };

struct domain {
	struct hypervisor base;
	char *uri; /* as it was given; NULL: libvirt chooses */
	char uuid[VIR_UUID_STRING_BUFLEN];
	int id; /* that it was started with */
	pid_t pid;
	struct inbox *inbox;
	struct link *link;     /* NULL: none, libvirtd is away */
	int64_t away_since_ms; /* 0: it is not */
};

static void domain_close(struct hypervisor *h)
{
	struct domain *d = (struct domain *)h;

	link_close(d->link);
	inbox_unref(d->inbox);
	free(d->uri);
	free(d);
}

/* ---- a connection that was lost ------------------------------------------------------- */

static bool is_connected(const struct domain *d)
{
	return d->link && link_is_alive(d->link);
}

static int note_away(struct domain *d, struct fault *f)
{
	if (!d->away_since_ms)
		d->away_since_ms = monotonic_ms();
	if (monotonic_ms() - d->away_since_ms < LIBVIRT_AWAY_MS)
		return 0;
	f->code = -EHOSTUNREACH;
	return fault_wrap(f, "%s: libvirtd has been away for %d s; is it running?", d->base.where,
			  LIBVIRT_AWAY_MS / 1000);
}

/* One attempt. 0 also where libvirtd is away, but not for too long yet. */
static int reconnect(struct domain *d, struct fault *f)
{
	struct link *link = NULL;

	link_close(give(d->link));
	int r = link_open(d->uri, d->uuid, d->inbox, &link, f);
	if (r == -EHOSTUNREACH || r == -ETIMEDOUT || r == -ECONNRESET)
		return note_away(d, f);
	if (r == -ENOENT || r == -ENOTCONN)
		return fault_set(f, -ECONNRESET, "%s does not run any more", d->base.where);
	if (r < 0)
		return fault_wrap(f, "%s", d->base.where);
	d->away_since_ms = 0;
	d->link = link;
	inbox_note_loss(d->inbox);
	if (link->domain_id != d->id)
		inbox_end(d->inbox, "it was started again");
	return 0;
}

/* The domain may run again by now: in another QEMU, which is not the one that was opened. */
static int check_ended(const struct domain *d, struct fault *f)
{
	char how[64];

	if (!inbox_ended(d->inbox, how))
		return 0;
	return fault_set(f, -ECONNRESET, "%s has ended: %s", d->base.where, how);
}

static int be_connected(struct domain *d, struct fault *f)
{
	while (!is_connected(d)) {
		int r = reconnect(d, f);

		if (r < 0)
			return r;
		if (!is_connected(d))
			sleep_us(RETRY_MS * 1000);
	}
	return check_ended(d, f);
}

/* ---- commands ------------------------------------------------------------------------- */

static int qemu_fault(const struct domain *d, const struct qmp_error *e, struct fault *f)
{
	if (e->class[0])
		return fault_set(f, e->code, "%s: %s (%s)", d->base.where, e->text, e->class);
	return fault_set(f, e->code, "%s: %s", d->base.where, e->text);
}

static int pass(struct domain *d, const char *command, const char *text, int pass_fd,
		struct json_object **result, struct fault *f)
{
	auto_free char *reply = NULL;
	struct qmp_error e;
	int r = be_connected(d, f);

	if (r < 0)
		return r;
	if (link_monitor(d->link, text, pass_fd, &reply, f) < 0)
		return fault_wrap(f, "%s: %s", d->base.where, command);
	return qmp_text_reply(reply, command, result, &e) < 0 ? qemu_fault(d, &e, f) : 0;
}

static int domain_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			  int pass_fd, struct json_object **result, struct fault *f)
{
	auto_free char *text = qmp_text_of_command(command, arguments);

	if (result)
		*result = NULL;
	if (!text)
		return fault_errno(f, -ENOMEM, "%s", command);
	return pass((struct domain *)h, command, text, pass_fd, result, f);
}

/* libvirt's monitor has not negotiated it; in band QEMU takes the same commands. */
static int domain_execute_oob(struct hypervisor *h, const char *command,
			      struct json_object *arguments, struct fault *f)
{
	return domain_execute(h, command, arguments, -1, NULL, f);
}

/* ---- the others ----------------------------------------------------------------------- */

/* Hears what came, or sees to it that something can. */
static int listen_for(struct domain *d, int limit_ms, struct monitor_event *event, struct fault *f)
{
	if (inbox_take(d->inbox, limit_ms, event))
		return 1;
	if (check_ended(d, f) < 0)
		return f->code;
	return is_connected(d) ? 0 : reconnect(d, f);
}

static int domain_event(struct hypervisor *h, int limit_ms, struct monitor_event *event,
			struct fault *f)
{
	struct domain *d = (struct domain *)h;
	int64_t until_ms = monotonic_ms() + limit_ms;
	int r;

	do {
		int64_t left_ms = until_ms - monotonic_ms();

		if (!is_connected(d) && left_ms > RETRY_MS)
			left_ms = RETRY_MS;
		r = listen_for(d, left_ms > 0 ? (int)left_ms : 0, event, f);
	} while (!r && monotonic_ms() < until_ms);
	return r;
}

static pid_t domain_pid(const struct hypervisor *h)
{
	return ((const struct domain *)h)->pid;
}

/* The connection is libvirt's. */
static int domain_fd(const struct hypervisor *h)
{
	(void)h;
	return -1;
}

static int definition(struct hypervisor *h, bool portable, char **xml, struct fault *f)
{
	struct domain *d = (struct domain *)h;
	int r = be_connected(d, f);

	if (!r)
		r = link_definition(d->link, portable, xml, f);
	return r < 0 ? fault_wrap(f, "%s", h->where) : 0;
}

static int domain_describe(struct hypervisor *h, char **xml, struct fault *f)
{
	return definition(h, true, xml, f);
}

/* Devices have their ids only in the definition that is for this host. */
static int domain_disk_name(struct hypervisor *h, const char *device, char name[MONITOR_NAME_BYTES],
			    struct fault *f)
{
	auto_free char *xml = NULL;
	int r = definition(h, false, &xml, f);

	if (r < 0)
		return r;
	if (xml_disk_target(xml, device, name))
		return 0;
	return fault_set(f, -ENOENT, "%s has no disk whose device is %s", h->where, device);
}

static int domain_check(struct hypervisor *h, struct fault *f)
{
	struct domain *d = (struct domain *)h;
	struct link_state state;
	int r = be_connected(d, f);

	if (!r)
		r = link_state(d->link, &state, f);
	if (!r)
		r = state_check(&state, f);
	return r < 0 ? fault_wrap(f, "%s", h->where) : 0;
}

static int domain_agent(struct hypervisor *h, struct guest_agent **a, struct fault *f)
{
	const struct domain *d = (const struct domain *)h;

	return agent_open(d->uri, d->uuid, a, f);
}

static int ask_version(struct hypervisor *h, struct fault *f)
{
	struct json_object *result = NULL;
	char version[QMP_VERSION_BYTES];
	struct qmp_error e;
	int r = hypervisor_execute(h, "query-version", NULL, &result, f);

	if (!r && qmp_version_of(result, version, &e) < 0)
		r = qemu_fault((struct domain *)h, &e, f);
	json_object_put(result);
	if (!r)
		snprintf(h->qemu_version, sizeof(h->qemu_version), "%.*s",
			 (int)sizeof(h->qemu_version) - 1, version);
	return r;
}

static bool is_domain(const struct hypervisor *h)
{
	return h->ops->close == domain_close;
}

int libvirt_describe(struct hypervisor *h, struct libvirt_description *d, struct fault *f)
{
	struct domain *domain = (struct domain *)h;

	if (!is_domain(h))
		return fault_set(f, -EOPNOTSUPP, "%s is no domain of libvirt", h->where);
	int r = definition(h, false, &d->xml, f);
	if (r < 0)
		return r;
	if (link_version(domain->link, &d->version, f) < 0)
		return fault_wrap(f, "%s", h->where);
	d->is_session = strstr(domain->link->uri, "/session");
	return 0;
}

static void note_link(struct domain *d)
{
	struct fault unknown;
	pid_t pid = process_find(d->link->uuid, &unknown);

	snprintf(d->base.guest, sizeof(d->base.guest), "%s", d->link->name);
	snprintf(d->base.where, sizeof(d->base.where), "domain %.60s at %.110s", d->link->name,
		 d->link->uri);
	memcpy(d->uuid, d->link->uuid, sizeof(d->uuid));
	d->id = d->link->domain_id;
	d->pid = pid > 0 ? pid : -1;
}

int hypervisor_open_libvirt(const char *uri, const char *domain, struct hypervisor **h,
			    struct fault *f)
{
	static const struct hypervisor_ops ops = {
		.name = "libvirt",
		.close = domain_close,
		.execute = domain_execute,
		.execute_oob = domain_execute_oob,
		.event = domain_event,
		.pid = domain_pid,
		.fd = domain_fd,
		.describe = domain_describe,
		.disk_name = domain_disk_name,
		.check = domain_check,
		.agent = domain_agent,
	};
	int r = loop_start(f);
	if (r < 0)
		return r;
	struct domain *d = calloc(1, sizeof(*d));
	if (!d)
		return fault_errno(f, -ENOMEM, "connect to libvirt");
	d->base.ops = &ops;
	d->base.by_descriptor = true;
	auto_of(hypervisor_close) struct hypervisor *made = &d->base;
	d->inbox = inbox_new();
	d->uri = uri ? strdup(uri) : NULL;
	if (!d->inbox || (uri && !d->uri))
		return fault_errno(f, -ENOMEM, "connect to libvirt");
	if (link_open(uri, domain, d->inbox, &d->link, f) < 0)
		return fault_wrap(f, "connect to domain \"%s\"", domain);
	note_link(d);
	r = ask_version(made, f);
	if (!r)
		*h = give(made);
	return r;
}

pid_t libvirt_find_pid(const char *uri, const char *domain, struct fault *f)
{
	struct link *link;
	int r = loop_start(f);

	if (r < 0)
		return r;
	if (link_open(uri, domain, NULL, &link, f) < 0)
		return fault_wrap(f, "connect to domain \"%s\"", domain);
	pid_t pid = process_find(link->uuid, f);
	link_close(link);
	return pid;
}
