/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A note in the run directory of what a QEMU is being restored from, so that somebody else can go
 * on when the vmguard that feeds it dies: another checkpoint's pages would ruin the guest. There is
 * one from before the guest runs until it has all its pages, or is dead.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmguard/holder.h"
#include "vmguard/hypervisor.h"
#include "vmguard/layout.h"
#include "vmguard/store.h"

struct record {
	char store[512]; /* URI */
	char guest[STORE_NAME_BYTES];
	uint64_t number;
	unsigned percent;		  /* of its memory that is there */
	char uuid[HYPERVISOR_UUID_BYTES]; /* QEMU's; "": it has none */
	struct holder feeder;		  /* the vmguard that brings it its pages; pid 0: unknown */

	/* So that QEMU need not be asked: it may not answer. */
	char socket[PATH_MAX]; /* of its monitor, or "domain NAME" */
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
/* Whether it is of the guest with this monitor socket or, where that is NULL, of this domain, by
 * its name or UUID; never where both are none. */
bool record_is_of(const struct record *r, const char *socket, const char *domain);
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
