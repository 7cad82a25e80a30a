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

/* The process of a domain's QEMU, without asking QEMU. Negative errno. */
pid_t libvirt_find_pid(const char *uri, const char *domain, struct fault *f);
