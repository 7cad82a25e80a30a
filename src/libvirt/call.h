/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work on a domain that need not run, through a connection that is made for it. The call has copies
 * of all that it uses, so that a late one can be left alone.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "vmguard/deadline.h"
#include "vmguard/libvirt.h"

struct domain_results {
	int id;
	virStreamPtr stream; /* keeps its connection open; the caller's to free */
};

struct domain_call {
	struct deadline_call base;
	int (*work)(struct domain_call *c, virConnectPtr connection);
	struct libvirt_domain domain; /* without its texts */
	char *uri, *xml, *other;
	struct domain_results results;
	struct fault fault;
};

struct domain_order {
	int (*work)(struct domain_call *c, virConnectPtr connection);
	int64_t limit_ms;
	char *xml, *other; /* may be NULL; freed in any case */
};

/* results (may be NULL) is filled where it returns 0. -ETIMEDOUT: libvirt did not answer. */
int domain_call(const struct libvirt_domain *d, const struct domain_order *o,
		struct domain_results *results, struct fault *f);

/* For work(): the domain by its UUID. NULL and 0: there is no such domain. */
int domain_call_find(const struct libvirt_domain *d, virConnectPtr connection, virDomainPtr *domain,
		     struct fault *f);
/* The domain, if it is the one that was started; NULL: c->fault says why not. */
virDomainPtr domain_call_find_started(struct domain_call *c, virConnectPtr connection);
