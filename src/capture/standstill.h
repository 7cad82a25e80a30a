/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest stands still for the snapshots of its disks:
 *
 *	guard armed -> stop -> snapshots -> (migrate) -> first page -> it runs, or cont -> disarmed
 *	                  '-- failed: cont at once
 *
 * QEMU 7.2 lets the guest run by itself when its RAM is write-protected; later ones (seen: 10.0)
 * leave it as they found it. A page in the stream proves that the protection is in place.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/capture.h"
#include "vmguard/disks.h"
#include "vmguard/hypervisor.h"

struct standstill {
	struct hypervisor *h;
	const struct capture_options *options;
	struct disk_list disks;
	struct disks_ready *ready;	/* for them; may be NULL */
	char name[DISK_SNAPSHOT_BYTES]; /* of the snapshots */
	bool ran;			/* before it was stopped */
	bool stopped;			/* by us, and not seen to run since */
	bool taken;			/* the snapshots are there */

	/* Since 1970, each when QEMU had answered; 0: not yet. */
	int64_t stopped_us, disks_us;
	int64_t sent_us; /* when stop was sent */
	int64_t cont_us; /* when cont was sent */
};

/* Whether there is anything to stand still for. */
static inline bool standstill_is_needed(const struct standstill *s)
{
	return s->disks.count > 0;
}

/* Stops the guest and takes the snapshots. When it fails the guest runs as before, with none. */
int standstill_begin(struct standstill *s, struct fault *f);

/* Lets the guest run where it was stopped by us and does not run by itself. */
int standstill_end(struct standstill *s, struct fault *f);

/* It was seen to run. */
void standstill_is_over(struct standstill *s);

/* The checkpoint is dropped: so are the snapshots, as far as that can be done now. */
void standstill_undo(struct standstill *s);
/* From here on standstill_undo() removes nothing. */
void standstill_keep(struct standstill *s);

/*
 * Whether the guest stood still from before the first snapshot on: `early_us` is when somebody let
 * it go on, before its memory was protected (0: nobody did). -EPERM: it did not.
 */
int standstill_check(const struct standstill *s, int64_t early_us, struct fault *f);

/* What the pause between QEMU's events was made of. */
struct pause_parts standstill_parts(const struct standstill *s, int64_t stop_us, int64_t first_us,
				    int64_t resume_us);

void standstill_clear(struct standstill *s);
