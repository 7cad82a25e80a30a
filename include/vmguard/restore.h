/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restore: a checkpoint goes on in a QEMU that waits for a stream.
 *
 *	store -> checkpoint (each page checked) -> stream writer -> socket -> QEMU -> the guest runs
 *
 * The guest runs only after its last page and its devices are in; what fails before that leaves a
 * QEMU that never ran the guest. The checkpoint is only read.
 */
#pragma once

#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"
#include "vmguard/image.h"

struct restore_progress {
	uint64_t pages_total;
	uint64_t pages_done;
	uint64_t bytes_sent;
	int64_t elapsed_ms;
};

struct restore_options {
	void (*progress)(void *context, const struct restore_progress *p); /* may be NULL */
	void *progress_context;
	const volatile int *stop; /* set by a signal handler: give up; may be NULL */
};

struct restore_result {
	uint64_t pages_total;
	uint64_t bytes_sent;
	int64_t total_ms;
	char run_state[32]; /* of the guest afterwards: "running", or "paused" where asked for */
};

/*
 * Sends the whole checkpoint to a QEMU started with `-incoming defer` and waits until the guest
 * runs. -EPERM: this QEMU does not wait for a stream, nothing was changed; any other failure:
 * the QEMU is spoilt and must be ended.
 */
int restore_full(struct checkpoint *c, struct hypervisor *h, const struct restore_options *options,
		 struct restore_result *result, struct fault *f);

/* Writes the checkpoint as a plain incoming stream (`qemu -incoming 'exec:cat FILE'`) to fd. */
int restore_export(struct checkpoint *c, int fd, const struct restore_options *options,
		   struct restore_result *result, struct fault *f);
