/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which domains of a libvirt run, and what becomes of them, for a loop that never blocks. A
 * libvirtd that goes away is waited for, and asked for everything when it is back: nothing that
 * matters is missed, though how a domain ended meanwhile may be.
 */
#pragma once

#include "vmguard/fault.h"
#include "vmguard/libvirt.h"

enum libvirt_sight_kind {
	LIBVIRT_RUNS,	/* the domain runs: just started, or found so */
	LIBVIRT_ENDED,	/* by its user, or the guest itself */
	LIBVIRT_DIED,	/* its QEMU */
	LIBVIRT_OFF,	/* it was found not to run; nobody knows why */
	LIBVIRT_LISTED, /* all there are have been told; of those that were not there is none */
	LIBVIRT_AWAY,	/* no connection: `how` says why */
};

struct libvirt_sight {
	enum libvirt_sight_kind kind;
	char uuid[LIBVIRT_UUID_BYTES], name[LIBVIRT_NAME_BYTES]; /* of the first four */
	char how[128];						 /* "it was shut down"; "" */
	struct libvirt_sight *next;
};

struct libvirt_watch;

/* uri NULL: as libvirt chooses. Connects in a thread of its own; what it sees comes as sights. */
int libvirt_watch_open(const char *uri, struct libvirt_watch **w, struct fault *f);
/* Does not wait: the thread may hang in libvirt. */
void libvirt_watch_close(struct libvirt_watch *w); /* accepts NULL */

/* Readable when there is a sight. */
int libvirt_watch_fd(const struct libvirt_watch *w);
/* The next, which the caller frees; NULL: there is none now. */
struct libvirt_sight *libvirt_watch_next(struct libvirt_watch *w);
