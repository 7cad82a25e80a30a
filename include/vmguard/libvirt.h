/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend `libvirt` of struct hypervisor: the QEMU of a domain, by libvirt 8.2 or newer on this
 * host. Commands go through virDomainQemuMonitorCommandWithFiles(), which taints the domain as
 * custom-monitor.
 *
 * Every call has a time limit, because libvirt waits for a frozen QEMU for ever. What is late goes
 * on without its caller, in a thread of its own.
 *
 * A libvirtd that is started anew loses the connection: the next call, or waiting for an event,
 * makes another one, for up to LIBVIRT_AWAY_MS (-EHOSTUNREACH). A command under way is -ECONNRESET
 * then, though it may have been carried out. So is any call where the domain has ended, or runs in
 * another QEMU than before.
 */
#pragma once

#include <sys/types.h>

#include "vmguard/hypervisor.h"

enum { LIBVIRT_AWAY_MS = 30000 };

/*
 * Connects to a running domain by its name or UUID. uri NULL: as libvirt chooses. Makes one thread
 * for libvirt's events in this process, which stays. -EHOSTUNREACH: no libvirtd; -ENOENT: no such
 * domain; -ENOTCONN: it does not run; -EOPNOTSUPP: it is not QEMU's; -EACCES.
 */
int hypervisor_open_libvirt(const char *uri, const char *domain, struct hypervisor **h,
			    struct fault *f);

/* What libvirt knows of a domain. */
struct libvirt_description {
	char *xml;	       /* the domain as it runs, without secrets; freed by the caller */
	unsigned long version; /* of the daemon: major * 1000000 + minor * 1000 + micro */
	bool is_session;       /* a user's own daemon, which reads no settings in /etc */
};

/* Of one that hypervisor_open_libvirt() has opened; -EOPNOTSUPP: another has. */
int libvirt_describe(struct hypervisor *h, struct libvirt_description *d, struct fault *f);

/* The process of a domain's QEMU, without asking QEMU. Negative errno. */
pid_t libvirt_find_pid(const char *uri, const char *domain, struct fault *f);

/* ---- a domain that goes on from a checkpoint ------------------------------------------- */

enum { LIBVIRT_NAME_BYTES = 64, LIBVIRT_UUID_BYTES = 37 };

/* One of this host. Nothing is owned: it may be copied. */
struct libvirt_domain {
	const char *uri; /* NULL: as libvirt chooses */
	const char *xml; /* as the checkpoint keeps it: of the running domain, for another host */
	char name[LIBVIRT_NAME_BYTES], uuid[LIBVIRT_UUID_BYTES]; /* from there */
	int id; /* once it was started: another one each time; else -1 */
};

/* Fills it. -EBADMSG: the definition is none. */
int libvirt_domain_read(struct libvirt_domain *d, const char *uri, const char *xml,
			struct fault *f);

/* Whether it could be started: -EPERM: it runs, or has a saved state. */
int libvirt_domain_may_start(const struct libvirt_domain *d, struct fault *f);

/*
 * Starts it, paused, with a QEMU that waits for a stream (`-incoming defer`), and opens its
 * monitor. A domain that is defined stays so. -EPERM: it runs, or has a saved state. Where it fails
 * there is no domain. The argument stays in its live definition until it ends, but gets into no
 * other one: what a checkpoint keeps of it is left out here.
 */
int libvirt_domain_start(struct libvirt_domain *d, struct hypervisor **h, struct fault *f);

/*
 * Starts it from its disks: as it is defined, or where it is not, as d->xml says (NULL: -ENOENT).
 * -EPERM: it runs, or has a saved state.
 */
int libvirt_domain_boot(const struct libvirt_domain *d, struct fault *f);

/* Has a domain that waits run as soon as its stream says so, and libvirt knows it. */
int libvirt_domain_let_run(const struct libvirt_domain *d, struct fault *f);

/* Ends the domain that was started, by its id: not another one that has its name now. */
int libvirt_domain_destroy(const struct libvirt_domain *d, struct fault *f);

/* Ends whichever has its UUID, also one whose start has not come to an end. 0: there is none. */
int libvirt_domain_end(const struct libvirt_domain *d, struct fault *f);

/* -EEXIST: there is another domain of that name, or of that UUID. */
int libvirt_domain_check_free(const struct libvirt_domain *d, struct fault *f);

/* Makes the domain persistent, as the checkpoint keeps it; one that is so already stays as it is.
 */
int libvirt_domain_define(const struct libvirt_domain *d, struct fault *f);

/*
 * The same by libvirt's own restore, from a save image that is written here:
 *
 *	begin: a FIFO <--- head and definition, then whatever the caller writes into the descriptor
 *	        '--> virDomainRestoreFlags(), in a thread, which also has the domain run at the end
 *	end: closes it, waits for libvirt, and fills d->id; where the stream is not whole there is
 *	     no domain then
 *
 * The descriptor does not block: EAGAIN where libvirt's QEMU does not read as fast. Errors of begin
 * as of libvirt_domain_start().
 */
struct libvirt_load;
int libvirt_load_begin(struct libvirt_domain *d, struct libvirt_load **load, struct fault *f);
int libvirt_load_fd(const struct libvirt_load *load);
int libvirt_load_end(struct libvirt_load *load, bool whole, struct fault *f); /* frees it */

/* ---- one that runs beside another ------------------------------------------------------ */

/*
 * Takes a device out of the domain that was started, waits until the guest has given it up, and
 * puts another one in; in the persistent definition too, where it has one. Both are the XML of
 * devices. -EBUSY: the guest does not give it up within LIBVIRT_UNPLUG_MS, it stays.
 */
enum { LIBVIRT_UNPLUG_MS = 30000 };
int libvirt_domain_exchange(const struct libvirt_domain *d, const char *out, const char *in,
			    struct fault *f);

/* Whether libvirt has a network of that name, which runs; -ENOENT. Of d only the URI is used. */
int libvirt_network_check(const struct libvirt_domain *d, const char *network, struct fault *f);

/* What its guest writes on its first console, from now on. */
struct libvirt_console;
int libvirt_console_open(const struct libvirt_domain *d, struct libvirt_console **c,
			 struct fault *f);
void libvirt_console_close(struct libvirt_console *c); /* accepts NULL */
SCOPE_CLOSER(libvirt_console_close, struct libvirt_console)
/*
 * Waits for some of it, at most so long. The number of bytes; 0: nothing came; -EPIPE: the domain,
 * or libvirtd, is gone.
 */
int libvirt_console_read(struct libvirt_console *c, char *text, size_t room, int limit_ms,
			 struct fault *f);
