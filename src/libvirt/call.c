/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/call.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "libvirt/connection.h"
#include "libvirt/error.h"
#include "libvirt/loop.h"

static int run_call(struct deadline_call *base)
{
	struct domain_call *c = (struct domain_call *)base;
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
	struct domain_call *c = (struct domain_call *)base;

	if (unwanted && c->results.stream)
		virStreamFree(c->results.stream);
	free(c->uri);
	free(c->xml);
	free(c->other);
	free(c);
}

static struct domain_call *call_new(const struct libvirt_domain *d, const struct domain_order *o)
{
	struct domain_call *c = calloc(1, sizeof(*c));

	if (!c || (d->uri && !(c->uri = strdup(d->uri)))) {
		free(c);
		free(o->xml);
		free(o->other);
		return NULL;
	}
	c->base.run = run_call;
	c->base.free = call_free;
	c->work = o->work;
	c->domain = *d;
	c->domain.uri = c->domain.xml = NULL;
	c->xml = o->xml;
	c->other = o->other;
	c->results.id = -1;
	return c;
}

int domain_call(const struct libvirt_domain *d, const struct domain_order *o,
		struct domain_results *results, struct fault *f)
{
	struct domain_call *c = call_new(d, o);

	if (!c)
		return fault_errno(f, -ENOMEM, "call libvirt");
	int r = loop_start(f);
	if (!r)
		r = deadline_run(&c->base, o->limit_ms);
	if (r == -ETIMEDOUT)
		return fault_set(f, r, "domain \"%s\": libvirt did not answer within %d s", d->name,
				 (int)(o->limit_ms / 1000));
	if (!r && c->base.result < 0) {
		*f = c->fault;
		r = f->code;
	} else if (!r && results) {
		*results = c->results;
	}
	c->base.free(&c->base, r < 0 || !results);
	return r;
}

int domain_call_find(const struct libvirt_domain *d, virConnectPtr connection, virDomainPtr *domain,
		     struct fault *f)
{
	*domain = virDomainLookupByUUIDString(connection, d->uuid);
	if (*domain || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
		return 0;
	return error_tell(f, virGetLastError());
}

virDomainPtr domain_call_find_started(struct domain_call *c, virConnectPtr connection)
{
	virDomainPtr domain;

	if (domain_call_find(&c->domain, connection, &domain, &c->fault) < 0)
		return NULL;
	if (domain && (int)virDomainGetID(domain) == c->domain.id)
		return domain;
	if (domain)
		virDomainFree(domain);
	fault_set(&c->fault, -ENOTCONN, "it has ended");
	return NULL;
}
