/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restore: a checkpoint goes on in a QEMU that waits for a stream.
 *
 *	full:  store -> all pages, each checked -> devices -> the guest runs
 *	lazy:  store -> devices -> the guest runs -> the pages that it touches, and all the others
 *
 * What fails before the guest runs leaves a QEMU that never ran it. A lazy restore that fails
 * afterwards leaves a guest that stands still and can be gone on with. The checkpoint is only read,
 * and a wrong page is never sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"
#include "vmguard/image.h"

struct restore_progress {
	uint64_t pages_total;
	uint64_t pages_done;
	uint64_t bytes_sent;
	int64_t elapsed_ms;
	uint64_t pages_demanded; /* lazy: by the guest, and how long it waited for one */
	int64_t demand_p50_us, demand_p99_us;
};

/*
 * What QEMU and its source go by. Whoever goes on with the restore needs it, and cannot ask a QEMU
 * whose main loop waits for a page.
 */
struct restore_terms {
	bool preempt;			 /* there is a second channel, for what is asked for */
	const uint64_t *host_page_bytes; /* by block, in the layout's order */
	size_t block_count;
};

struct restore_options {
	int64_t since_ms;      /* by monotonic_ms(): times count from there */
	uint64_t max_rate;     /* lazy: of what is not asked for, bytes a second; 0: no limit */
	int64_t store_wait_ms; /* lazy: a store that fails is tried again for so long; 0: 5 min */
	void (*progress)(void *context, const struct restore_progress *p); /* may be NULL */
	void *progress_context;
	/* lazy: all is ready and QEMU now gets to run the guest; a failure ends it. May be NULL */
	int (*before_run)(void *context, const struct restore_terms *terms, struct fault *f);
	void *before_run_context;
	/* lazy: the guest runs, or runs again, after so many ms; may be NULL */
	void (*runs)(void *context, int64_t run_ms);
	void *runs_context;
	bool keep_clock;	  /* the guest's clock is left as it is */
	bool keep_network;	  /* nobody is told where the guest is now */
	const volatile int *stop; /* set by a signal handler: give up; may be NULL */
};

/* What is done once the guest runs. None of it fails a restore. */
enum clock_outcome {
	CLOCK_PAUSED, /* the guest does not run: nothing was tried */
	CLOCK_KEPT,   /* nor was it wanted */
	CLOCK_SET,    /* to this host's */
	CLOCK_NO_AGENT,
	CLOCK_FAILED,
};
enum network_outcome {
	NETWORK_PAUSED,
	NETWORK_ANNOUNCED, /* QEMU tells the network in these seconds where the guest is now */
	NETWORK_NONE,	   /* the machine has none */
	NETWORK_KEPT,	   /* as options.keep_network asks */
	NETWORK_FAILED,
};

struct afterwards {
	enum clock_outcome clock;
	enum network_outcome network;
	char clock_error[FAULT_TEXT_BYTES]; /* why it was not set, "" where nothing was tried */
	char network_error[FAULT_TEXT_BYTES];
};

const char *clock_outcome_name(enum clock_outcome o);	  /* "no agent" */
const char *network_outcome_name(enum network_outcome o); /* "announced" */

/* Times in ms since `since_ms`. */
struct restore_result {
	bool runs;
	bool was_complete;	 /* resume: there was nothing left to send */
	int64_t run_ms;		 /* until the guest ran */
	int64_t total_ms;	 /* until all its memory was there */
	int64_t first_demand_ms; /* lazy: until it asked for a page; 0: it never did */
	uint64_t pages_total;
	uint64_t pages_sent;	 /* lazy: those that are not zero */
	uint64_t pages_demanded; /* lazy: of them, requests that were served */
	int64_t demand_p50_us, demand_p99_us;
	uint64_t bytes_sent;
	char run_state[32]; /* of the guest afterwards: "running", or "paused" where asked for */
	struct afterwards afterwards;
};

/*
 * Sends the whole checkpoint to a QEMU started with `-incoming defer` and waits until the guest
 * runs. -EPERM: this QEMU does not wait for a stream, nothing was changed; any other failure:
 * the QEMU is spoilt and must be ended.
 */
int restore_full(struct checkpoint *c, struct hypervisor *h, const struct restore_options *options,
		 struct restore_result *result, struct fault *f);

/*
 * The same, but the guest runs as soon as its devices are in, and its pages follow, those that it
 * asks for first (postcopy). Returns when all are there. -EOPNOTSUPP: this QEMU, this host or a
 * block of its RAM cannot do it, says which; nothing was changed, restore_full() can. A failure
 * with result->runs: the guest stands still, restore_resume() goes on with it.
 */
int restore_lazy(struct checkpoint *c, struct hypervisor *h, const struct restore_options *options,
		 struct restore_result *result, struct fault *f);

/* Whether a lazy restore lost its vmguard, and the guest waits for it. -EPERM: it did not. */
int restore_stands_still(struct hypervisor *h, struct fault *f);

/*
 * Goes on where the vmguard that restored the guest was killed or failed, on the terms that it told
 * before_run(). It asks QEMU for nothing but out of band until all pages are there, as one that
 * waits for a page does nothing else: also the clock and the network come then. Where all pages
 * were sent it only tidies up. -EPERM: no restore of this QEMU stands still.
 */
int restore_resume(struct checkpoint *c, struct hypervisor *h, const struct restore_terms *terms,
		   const struct restore_options *options, struct restore_result *result,
		   struct fault *f);

/*
 * For a guest that libvirt has restored from what restore_export() wrote: fills the rest of *result
 * and does what is done once a guest runs.
 */
int restore_finish(struct hypervisor *h, const struct restore_options *options,
		   struct restore_result *result, struct fault *f);

/* Writes the checkpoint as a plain incoming stream (`qemu -incoming 'exec:cat FILE'`) to fd. */
int restore_export(struct checkpoint *c, int fd, const struct restore_options *options,
		   struct restore_result *result, struct fault *f);
