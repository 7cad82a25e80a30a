/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection to libvirt and the domain that it is for. Each call into libvirt runs in a thread of
 * its own with a deadline (vmguard/deadline.h); a late one keeps its reference, so that nothing is
 * closed under it.
 *
 *	call ----> link: connection, domain, callbacks ----> inbox
 *
 * A link that has lost its libvirtd is of no use any more: close it and open another one.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "libvirt/connection.h"
#include "libvirt/inbox.h"

enum {
	LINK_KEEPALIVE_SECONDS = 5,
	LINK_KEEPALIVE_MISSED = 3, /* then libvirtd counts as dead */
	LINK_CALLS_MAX = 3,	   /* that may be late; libvirtd takes 5 of a client at once */
	LINK_OPENING_MAX = 64,	   /* at once in a process, those that are late too */
};

struct link {
	virConnectPtr connection;
	virDomainPtr domain;
	int domain_id;				     /* another one each time that it starts */
	char name[64], uuid[VIR_UUID_STRING_BUFLEN]; /* cut to fit into messages */
	char uri[CONNECTION_URI_BYTES];

	/* The rest is link.c's. */
	struct inbox *inbox;
	int monitor_events, lifecycle_events; /* ids of callbacks, -1: none */
	bool hears_close;
	int refs, calls; /* guarded by the mutex in link.c */
};

struct link_state {
	int state, reason; /* virDomainState, and its reason */
	int job;	   /* virDomainJobType */
	int operation;	   /* virDomainJobOperation */
};

/*
 * Opens one to a running domain by name or UUID. Its events go to the inbox (NULL: none are
 * wanted). Errors as of hypervisor_open_libvirt(), and -ETIMEDOUT.
 */
int link_open(const char *uri, const char *domain, struct inbox *inbox, struct link **link,
	      struct fault *f);
void link_close(struct link *link); /* accepts NULL; what hangs is left alone */
/* Whether its libvirtd is still there, as far as known. */
bool link_is_alive(const struct link *link);

/*
 * Passes a QMP command on; *reply is QEMU's, freed by the caller. pass_fd >= 0 goes along and stays
 * the caller's. -ETIMEDOUT; -ECONNRESET: libvirtd or QEMU went.
 */
int link_monitor(struct link *link, const char *command, int pass_fd, char **reply,
		 struct fault *f);
/* Of libvirtd, as virConnectGetLibVersion() has it. Errors as of link_monitor(). */
int link_version(struct link *link, unsigned long *version, struct fault *f);
/* How the domain is, for libvirt. Errors as of link_monitor(). */
int link_state(struct link *link, struct link_state *state, struct fault *f);
/*
 * The domain's definition as it runs, with its secrets: `portable` as another host needs it, else
 * with what libvirt added for this one. The caller frees *xml. Errors as of link_monitor().
 */
int link_definition(struct link *link, bool portable, char **xml, struct fault *f);
/*
 * Has the guest agent run a command, and waits so long for it. -ETIMEDOUT: no answer, or libvirt
 * has not come to be connected to it; -EREMOTEIO: it refused; others as of link_monitor().
 */
int link_agent(struct link *link, const char *command, int limit_s, struct fault *f);
