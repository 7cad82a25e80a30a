/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Retention: which checkpoints of a series stay, with the meaning that Proxmox gives the words.
 *
 * Rules are taken in the order last, hourly, daily, weekly, each from the newest checkpoint to the
 * oldest. `last` keeps that many checkpoints. The others keep the newest one of a period (an hour,
 * a day, an ISO week of local time) for that many periods; a period from which an earlier rule
 * keeps one already is covered and not counted.
 *
 * Kept beside the rules: what is protected; what cannot be read, because only a person should
 * throw that away; and the newest one that can be read. What is being restored stays for so long,
 * and counts as if it were not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"
#include "vmguard/store.h"

struct retention {
	unsigned keep_last, keep_hourly, keep_daily, keep_weekly;
};

/* Whether any rule is set. */
bool retention_is_set(const struct retention *rules);

struct retention_choice {
	struct checkpoint_id id;
	int64_t time_ms; /* since 1970; 0 where damaged */
	bool is_protected;
	bool is_damaged;
	bool is_held;		/* a guest is being restored from it */
	const char *reason;	/* why it is kept ("last", "hourly", …, "protected", "damaged",
				   "being restored"), NULL: it goes */
	int64_t period;		/* of retention_choose() */
	struct disk_list disks; /* its snapshots of them; retention_prune()'s */
};

/*
 * Fills in the reasons. Oldest first. At least one rule is set, else only the newest stays. Pure;
 * local time by TZ.
 */
void retention_choose(const struct retention *rules, struct retention_choice *choices,
		      size_t count);

/*
 * Chooses and deletes; calls `each` for every checkpoint, oldest first, after it was deleted or
 * left. Through `image` where the caller has it open for writing, else NULL. One that somebody
 * reads is left for the next time, with the reason "in use". dry_run: nothing is deleted. -EINVAL:
 * no rule is set, which would mean all; -EBUSY: somebody else writes the image, says who.
 */
struct prune_options {
	struct retention rules;
	bool dry_run;
	int (*each)(void *context, const struct retention_choice *choice); /* may be NULL */
	void *context;
};

int retention_prune(struct store *s, const char *guest, struct image *image,
		    const struct prune_options *options, struct fault *f);

/* ---- what deleted checkpoints and crashes leave on the guest's disks ----------------------- */

struct hypervisor;

/*
 * Removes the snapshots of disks that a checkpoint had, which is deleted; calls `tell` for what
 * stays. h: the guest's monitor, or NULL.
 */
void leftovers_remove(const char *guest, const struct disk_list *disks, struct hypervisor *h,
		      void (*tell)(void *context, const struct fault *f), void *context);

/*
 * Finds snapshots of disks that no checkpoint of the guest has, and removes them: `each` is told of
 * each, and why it stays (NULL: it went, or would). The checkpoints say which disks there are. An
 * image that somebody writes is left: his snapshot may be of a checkpoint to come.
 */
struct leftovers {
	bool dry_run;
	void (*each)(void *context, const struct disk *d, const struct fault *why);
	void *context;
};
int leftovers_prune(struct store *s, const char *guest, const struct leftovers *l, struct fault *f);
