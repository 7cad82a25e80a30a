/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's side of a restore, told over its monitor. */
#pragma once

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"
#include "vmguard/layout.h"

/* -EPERM: it waits for no stream. */
int incoming_check(struct hypervisor *h, struct fault *f);

/*
 * The host page size of each RAM block (info ramblock), by the layout's order; the caller frees
 * *bytes. A block that QEMU does not name has the target's. -EOPNOTSUPP: too large for a page
 * service, says which block.
 */
int incoming_host_pages(struct hypervisor *h, const struct ram_layout *l, uint64_t **bytes,
			struct fault *f);

/*
 * Where QEMU listens for the stream: a socket in the run directory, which QEMU makes there, or gets
 * as a descriptor where it may have other rights (struct hypervisor, by_descriptor).
 */
struct incoming {
	char socket[108];
	int fd, preempt_fd; /* -1 where there is none */
	bool preempt;	    /* the capability is on */
	bool ends_preempt;  /* QEMU waits for the end of the second channel */
};

/* Switches postcopy on. -EOPNOTSUPP: QEMU cannot, with its words; nothing is changed then. */
int incoming_prepare(struct hypervisor *h, struct incoming *in, struct fault *f);
/* Has QEMU listen, and connects. `recover`: to a QEMU whose source died. */
int incoming_connect(struct hypervisor *h, struct incoming *in, bool recover, struct fault *f);
/* What incoming_prepare() found, where it cannot be asked for again. */
void incoming_recall(const struct hypervisor *h, bool preempt, struct incoming *in);
/* Switches postcopy off, closes, removes the socket. */
void incoming_close(struct hypervisor *h, struct incoming *in);
/* The same for a guest that stands still: it needs postcopy, and its QEMU may not answer. */
void incoming_leave(struct incoming *in);
