/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device in the place of another one, while the guest runs. libvirt asks the guest to give it up,
 * and the guest does so when it likes, or not at all: it is gone when it is no longer in the live
 * definition.
 */
#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "libvirt/call.h"
#include "libvirt/error.h"
#include "vmguard/clock.h"
#include "vmguard/scope.h"

enum {
	POLL_US = 100000,
	CALLS_LIMIT_MS = 60000, /* to ask for it, and to put the other one in */
};

/* A device is told from others by what it was taken out with: libvirt finds it, or not. */
static bool is_there(virDomainPtr domain, const char *out)
{
	return virDomainDetachDeviceFlags(domain, out, VIR_DOMAIN_AFFECT_LIVE) == 0 ||
	       virGetLastErrorCode() != VIR_ERR_DEVICE_MISSING;
}

static int take_out(virDomainPtr domain, const char *out, struct fault *f)
{
	int64_t until = monotonic_ms() + LIBVIRT_UNPLUG_MS;

	if (virDomainDetachDeviceFlags(domain, out, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return error_tell(f, virGetLastError());
	while (is_there(domain, out)) {
		if (monotonic_ms() >= until)
			return fault_set(f, -EBUSY, "the guest does not give it up within %d s",
					 LIBVIRT_UNPLUG_MS / 1000);
		sleep_us(POLL_US);
	}
	return 0;
}

/* It has to be in the persistent definition as it was put into the live one. */
static int note(virDomainPtr domain, const char *out, const char *in, struct fault *f)
{
	if (virDomainDetachDeviceFlags(domain, out, VIR_DOMAIN_AFFECT_CONFIG) < 0 ||
	    virDomainAttachDeviceFlags(domain, in, VIR_DOMAIN_AFFECT_CONFIG) < 0)
		return error_tell(f, virGetLastError());
	return 0;
}

static int exchange(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain = domain_call_find_started(c, connection);

	if (!domain)
		return c->fault.code;
	int r = take_out(domain, c->xml, &c->fault);
	if (!r && virDomainAttachDeviceFlags(domain, c->other, VIR_DOMAIN_AFFECT_LIVE) < 0)
		r = error_tell(&c->fault, virGetLastError());
	if (!r && virDomainIsPersistent(domain) == 1)
		r = note(domain, c->xml, c->other, &c->fault);
	virDomainFree(domain);
	return r;
}

int libvirt_domain_exchange(const struct libvirt_domain *d, const char *out, const char *in,
			    struct fault *f)
{
	const struct domain_order order = {exchange, LIBVIRT_UNPLUG_MS + CALLS_LIMIT_MS,
					   .xml = strdup(out), .other = strdup(in)};

	return domain_call(d, &order, NULL, f);
}

/* ---- where a network interface is connected to ------------------------------------------- */

static int check_network(struct domain_call *c, virConnectPtr connection)
{
	virNetworkPtr network = virNetworkLookupByName(connection, c->xml);
	int r = 0;

	if (!network) {
		error_tell(&c->fault, virGetLastError());
		c->fault.code = -ENOENT;
		return fault_wrap(&c->fault, "network \"%s\"", c->xml);
	}
	if (virNetworkIsActive(network) != 1)
		r = fault_set(&c->fault, -ENOENT,
			      "network \"%s\" is not active: virsh net-start %s", c->xml, c->xml);
	virNetworkFree(network);
	return r;
}

int libvirt_network_check(const struct libvirt_domain *d, const char *network, struct fault *f)
{
	const struct domain_order order = {check_network, MONITOR_LIMIT_MS, .xml = strdup(network)};

	return domain_call(d, &order, NULL, f);
}
