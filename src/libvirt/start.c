/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a domain of what a checkpoint keeps. Each call has a connection and copies of all that
 * it uses, so that a late one can be left alone.
 */
#include "libvirt/start.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>

#include "libvirt/connection.h"
#include "libvirt/error.h"
#include "libvirt/loop.h"
#include "vmguard/deadline.h"
#include "vmguard/definition.h"
#include "vmguard/scope.h"

enum { START_LIMIT_MS = 120000 }; /* hooks, networks, a host that has much to do */

struct start_call {
	struct deadline_call base;
	int (*work)(struct start_call *c, virConnectPtr connection);
	struct libvirt_domain domain; /* its texts are the next two */
	char *uri, *xml;
	struct fault fault;
};

int libvirt_domain_read(struct libvirt_domain *d, const char *uri, const char *xml, struct fault *f)
{
	*d = (struct libvirt_domain){.uri = uri, .xml = xml, .id = -1};
	if (definition_value(xml, "name", d->name, sizeof(d->name)) &&
	    definition_value(xml, "uuid", d->uuid, sizeof(d->uuid)))
		return 0;
	return fault_set(f, -EBADMSG,
			 "the checkpoint's definition of the domain has no name or "
			 "UUID");
}

/* ---- calls ----------------------------------------------------------------------------- */

static int run_call(struct deadline_call *base)
{
	struct start_call *c = (struct start_call *)base;
	char actual[CONNECTION_URI_BYTES];
	virConnectPtr connection;
	int r = connection_open(c->uri, &connection, actual, &c->fault);

	if (!r)
		r = c->work(c, connection);
	if (connection)
		virConnectClose(connection);
	return r < 0 ? fault_wrap(&c->fault, "domain \"%s\"", c->domain.name) : 0;
}

static void call_free(struct deadline_call *base, bool unwanted)
{
	struct start_call *c = (struct start_call *)base;

	(void)unwanted;
	free(c->uri);
	free(c->xml);
	free(c);
}

/* xml (may be NULL) is freed with the call. */
static int call(const struct libvirt_domain *d, char *xml,
		int (*work)(struct start_call *c, virConnectPtr connection), int64_t limit_ms,
		int *id, struct fault *f)
{
	struct start_call *c = calloc(1, sizeof(*c));

	if (!c || (d->uri && !(c->uri = strdup(d->uri)))) {
		free(c);
		free(xml);
		return fault_errno(f, -ENOMEM, "call libvirt");
	}
	c->base.run = run_call;
	c->base.free = call_free;
	c->work = work;
	c->domain = *d;
	c->xml = xml;
	c->domain.uri = c->domain.xml = NULL;
	int r = loop_start(f);
	if (!r)
		r = deadline_run(&c->base, limit_ms);
	if (r == -ETIMEDOUT)
		return fault_set(f, r, "domain \"%s\": libvirt did not answer within %d s", d->name,
				 (int)(limit_ms / 1000));
	if (!r && c->base.result < 0) {
		*f = c->fault;
		r = f->code;
	} else if (!r && id) {
		*id = c->domain.id;
	}
	c->base.free(&c->base, true);
	return r;
}

/* NULL and 0: there is no such domain. */
static int find(const struct libvirt_domain *d, virConnectPtr connection, virDomainPtr *domain,
		struct fault *f)
{
	*domain = virDomainLookupByUUIDString(connection, d->uuid);
	if (*domain || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		return 0;
	return error_tell(f, virGetLastError());
}

/* ---- starting -------------------------------------------------------------------------- */

int start_check(const struct libvirt_domain *d, virConnectPtr connection, struct fault *f)
{
	virDomainPtr domain;
	int r = find(d, connection, &domain, f);

	if (r < 0 || !domain)
		return r;
	if (virDomainIsActive(domain) == 1)
		r = fault_set(f, -EPERM,
			      "it runs there already: end it first (virsh destroy %s), or restore "
			      "on another host",
			      d->name);
	else if (virDomainHasManagedSaveImage(domain, 0) == 1)
		r = fault_set(f, -EPERM,
			      "libvirt has a saved state of it that would be stale then: remove "
			      "that first (virsh managedsave-remove %s)",
			      d->name);
	virDomainFree(domain);
	return r;
}

static int start(struct start_call *c, virConnectPtr connection)
{
	int r = start_check(&c->domain, connection, &c->fault);

	if (r < 0)
		return r;
	virDomainPtr domain = virDomainCreateXML(connection, c->xml, VIR_DOMAIN_START_PAUSED);
	if (!domain)
		return error_tell(&c->fault, virGetLastError());
	c->domain.id = (int)virDomainGetID(domain);
	virDomainFree(domain);
	return 0;
}

static int may_start(struct start_call *c, virConnectPtr connection)
{
	return start_check(&c->domain, connection, &c->fault);
}

int libvirt_domain_may_start(const struct libvirt_domain *d, struct fault *f)
{
	return call(d, NULL, may_start, MONITOR_LIMIT_MS, NULL, f);
}

int libvirt_domain_start(struct libvirt_domain *d, struct hypervisor **h, struct fault *f)
{
	struct fault ignored;
	char *xml = definition_that_waits(d->xml);

	if (!xml)
		return fault_errno(f, -ENOMEM, "start domain \"%s\"", d->name);
	d->id = -1;
	int r = call(d, xml, start, START_LIMIT_MS, &d->id, f);
	if (r < 0)
		return fault_wrap(f, "start a domain");
	r = hypervisor_open_libvirt(d->uri, d->uuid, h, f);
	if (r < 0)
		libvirt_domain_destroy(d, &ignored);
	return r;
}

/* ---- what else is done with it --------------------------------------------------------- */

/* The domain, if it is the one that was started. */
static virDomainPtr find_started(struct start_call *c, virConnectPtr connection)
{
	virDomainPtr domain;

	if (find(&c->domain, connection, &domain, &c->fault) < 0)
		return NULL;
	if (domain && (int)virDomainGetID(domain) == c->domain.id)
		return domain;
	if (domain)
		virDomainFree(domain);
	fault_set(&c->fault, -ENOTCONN, "it has ended");
	return NULL;
}

static int let_run(struct start_call *c, virConnectPtr connection)
{
	virDomainPtr domain = find_started(c, connection);

	if (!domain)
		return c->fault.code;
	if (virDomainResume(domain) < 0)
		error_tell(&c->fault, virGetLastError());
	virDomainFree(domain);
	return c->fault.code;
}

/* QEMU notes it while it waits, and libvirt takes the leases of the disks. */
int libvirt_domain_let_run(const struct libvirt_domain *d, struct fault *f)
{
	return call(d, NULL, let_run, MONITOR_LIMIT_MS, NULL, f);
}

static int destroy(struct start_call *c, virConnectPtr connection)
{
	virDomainPtr domain = find_started(c, connection);

	if (!domain)
		return c->fault.code;
	if (virDomainDestroy(domain) < 0)
		error_tell(&c->fault, virGetLastError());
	virDomainFree(domain);
	return c->fault.code;
}

int libvirt_domain_destroy(const struct libvirt_domain *d, struct fault *f)
{
	int r = d->id < 0 ? -ENOTCONN : call(d, NULL, destroy, START_LIMIT_MS, NULL, f);

	return r == -ENOTCONN ? 0 : r;
}

static int abort_start(struct start_call *c, virConnectPtr connection)
{
	virDomainPtr domain;

	if (find(&c->domain, connection, &domain, &c->fault) < 0)
		return c->fault.code;
	if (domain && virDomainIsActive(domain) == 1 && virDomainDestroy(domain) < 0)
		error_tell(&c->fault, virGetLastError());
	if (domain)
		virDomainFree(domain);
	return c->fault.code;
}

int start_abort(const struct libvirt_domain *d, struct fault *f)
{
	return call(d, NULL, abort_start, START_LIMIT_MS, NULL, f);
}

static int define(struct start_call *c, virConnectPtr connection)
{
	virDomainPtr domain = find_started(c, connection);

	if (!domain)
		return c->fault.code;
	bool is_defined = virDomainIsPersistent(domain) == 1;
	virDomainFree(domain);
	if (is_defined)
		return 0;
	domain = virDomainDefineXML(connection, c->xml);
	if (!domain)
		return error_tell(&c->fault, virGetLastError());
	virDomainFree(domain);
	return 0;
}

int libvirt_domain_define(const struct libvirt_domain *d, struct fault *f)
{
	char *xml = definition_clean(d->xml);

	if (!xml)
		return fault_errno(f, -ENOMEM, "define domain \"%s\"", d->name);
	int r = call(d, xml, define, MONITOR_LIMIT_MS, NULL, f);
	return r < 0 ? fault_wrap(f, "define it") : 0;
}
