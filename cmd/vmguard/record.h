/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A note in the run directory of what a QEMU is being restored from, so that somebody else can go
 * on when this vmguard dies: another checkpoint's pages would ruin the guest.
 */
#pragma once

#include <limits.h>

#include "verb.h"
#include "vmguard/holder.h"
#include "vmguard/hypervisor.h"
#include "vmguard/layout.h"

struct record {
	char store[512]; /* URI */
	struct target target;
	unsigned percent;		  /* of its memory that is there */
	char uuid[HYPERVISOR_UUID_BYTES]; /* QEMU's; "": it has none */

	/* So that QEMU need not be asked: it may not answer. */
	char socket[PATH_MAX]; /* of its monitor */
	char qemu_version[32];
	bool preempt;
	uint64_t host_page_bytes[LAYOUT_BLOCKS_MAX];
	size_t block_count;
};

/* Also to bring it up to date. Nothing is written of an unknown process (pid 0). */
int record_write(const struct holder *qemu, const struct record *r, struct fault *f);
/* -ENOENT: there is none for this process. */
int record_read(const struct holder *qemu, struct record *r, struct fault *f);
/* The one of the QEMU with this monitor socket, which is not asked. -ENOENT: none that lives. */
int record_find(const char *socket, struct holder *qemu, struct record *r, struct fault *f);
/* Where the keeper of the monitor listens. */
enum { RECORD_PATH_BYTES = 160 };
int record_monitor_path(const struct holder *qemu, char path[RECORD_PATH_BYTES], struct fault *f);
void record_remove(const struct holder *qemu);

/* Calls `each` for those whose QEMU lives on this host, until it fails. */
int record_each(int (*each)(void *context, const struct holder *qemu, const struct record *r,
			    struct fault *f),
		void *context, struct fault *f);

/* Adds to the refusal to capture a guest how much of it is restored; gives f. h may be NULL. */
const struct fault *record_explain(struct hypervisor *h, struct fault *f);
