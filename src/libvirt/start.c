/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting a domain of what a checkpoint keeps, and ending it. */
#include "libvirt/start.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>

#include "libvirt/call.h"
#include "libvirt/error.h"
#include "vmguard/definition.h"
#include "vmguard/scope.h"

enum { START_LIMIT_MS = 120000 }; /* hooks, networks, a host that has much to do */

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

/* ---- starting -------------------------------------------------------------------------- */

int start_check(const struct libvirt_domain *d, virConnectPtr connection, struct fault *f)
{
	virDomainPtr domain;
	int r = domain_call_find(d, connection, &domain, f);

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

static int start(struct domain_call *c, virConnectPtr connection)
{
	int r = start_check(&c->domain, connection, &c->fault);

	if (r < 0)
		return r;
	virDomainPtr domain = virDomainCreateXML(connection, c->xml, VIR_DOMAIN_START_PAUSED);
	if (!domain)
		return error_tell(&c->fault, virGetLastError());
	c->results.id = (int)virDomainGetID(domain);
	virDomainFree(domain);
	return 0;
}

static int may_start(struct domain_call *c, virConnectPtr connection)
{
	return start_check(&c->domain, connection, &c->fault);
}

int libvirt_domain_may_start(const struct libvirt_domain *d, struct fault *f)
{
	const struct domain_order order = {may_start, MONITOR_LIMIT_MS};

	return domain_call(d, &order, NULL, f);
}

int libvirt_domain_start(struct libvirt_domain *d, struct hypervisor **h, struct fault *f)
{
	struct fault ignored;
	char *xml = definition_that_waits(d->xml);

	if (!xml)
		return fault_errno(f, -ENOMEM, "start domain \"%s\"", d->name);
	const struct domain_order order = {start, START_LIMIT_MS, .xml = xml};
	struct domain_results made = {.id = -1};
	int r = domain_call(d, &order, &made, f);
	d->id = made.id;
	if (r < 0)
		return fault_wrap(f, "start a domain");
	r = hypervisor_open_libvirt(d->uri, d->uuid, h, f);
	if (r < 0)
		libvirt_domain_destroy(d, &ignored);
	return r;
}

static int boot_defined(struct domain_call *c, virDomainPtr domain)
{
	int r = virDomainCreate(domain) < 0 ? error_tell(&c->fault, virGetLastError()) : 0;

	virDomainFree(domain);
	return r;
}

static int boot(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = NULL;
	int r = start_check(&c->domain, connection, &c->fault);

	if (!r)
		r = domain_call_find(&c->domain, connection, &domain, &c->fault);
	if (r < 0)
		return r;
	if (domain)
		return boot_defined(c, domain);
	if (!c->xml)
		return fault_set(&c->fault, -ENOENT, "libvirt does not have it defined");
	domain = virDomainCreateXML(connection, c->xml, 0);
	if (!domain)
		return error_tell(&c->fault, virGetLastError());
	virDomainFree(domain);
	return 0;
}

int libvirt_domain_boot(const struct libvirt_domain *d, struct fault *f)
{
	struct domain_order order = {boot, START_LIMIT_MS};

	if (d->xml && !(order.xml = definition_clean(d->xml)))
		return fault_errno(f, -ENOMEM, "boot domain \"%s\"", d->name);
	int r = domain_call(d, &order, NULL, f);
	return r < 0 ? fault_wrap(f, "boot it") : 0;
}

/* ---- what else is done with it --------------------------------------------------------- */

static int let_run(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = domain_call_find_started(c, connection);

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
	const struct domain_order order = {let_run, MONITOR_LIMIT_MS};

	return domain_call(d, &order, NULL, f);
}

static int destroy(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = domain_call_find_started(c, connection);

	if (!domain)
		return c->fault.code;
	if (virDomainDestroy(domain) < 0)
		error_tell(&c->fault, virGetLastError());
	virDomainFree(domain);
	return c->fault.code;
}

int libvirt_domain_destroy(const struct libvirt_domain *d, struct fault *f)
{
	const struct domain_order order = {destroy, START_LIMIT_MS};
	int r = d->id < 0 ? -ENOTCONN : domain_call(d, &order, NULL, f);

	return r == -ENOTCONN ? 0 : r;
}

static int end(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain;

	if (domain_call_find(&c->domain, connection, &domain, &c->fault) < 0)
		return c->fault.code;
	if (domain && virDomainIsActive(domain) == 1 && virDomainDestroy(domain) < 0)
		error_tell(&c->fault, virGetLastError());
	if (domain)
		virDomainFree(domain);
	return c->fault.code;
}

int libvirt_domain_end(const struct libvirt_domain *d, struct fault *f)
{
	const struct domain_order order = {end, START_LIMIT_MS};

	return domain_call(d, &order, NULL, f);
}

static int check_free(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = virDomainLookupByName(connection, c->domain.name);

	if (!domain)
		domain = virDomainLookupByUUIDString(connection, c->domain.uuid);
	if (!domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		return 0;
	if (!domain)
		return error_tell(&c->fault, virGetLastError());
	virDomainFree(domain);
	return fault_set(&c->fault, -EEXIST, "there is one already");
}

int libvirt_domain_check_free(const struct libvirt_domain *d, struct fault *f)
{
	const struct domain_order order = {check_free, MONITOR_LIMIT_MS};

	return domain_call(d, &order, NULL, f);
}

static int define(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = domain_call_find_started(c, connection);

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
	const struct domain_order order = {define, MONITOR_LIMIT_MS, .xml = xml};
	int r = domain_call(d, &order, NULL, f);
	return r < 0 ? fault_wrap(f, "define it") : 0;
}
