/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stays open from one checkpoint of a guest to the next: the monitor, the store, and the
 * image, which knows from the last checkpoint what has changed since.
 *
 * A session belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/capture.h"
#include "vmguard/disks.h"
#include "vmguard/rescue.h"
#include "vmguard/retention.h"
#include "vmguard/waker.h"

/* Which guest, where to, and how. Texts stay the caller's, and stay. */
struct session_terms {
	struct monitor_address monitor;
	const char *store;	   /* URI */
	const char *guest;	   /* its name there */
	const char *key_file;	   /* of encrypted images; NULL: none */
	const char *transfer_cpus; /* NULL: those on which none of its vCPUs may run */
	bool encrypt_new;	   /* an image that is made is encrypted */
	bool whole;		   /* the first checkpoint holds every page anew */
	struct retention keep;
	struct capture_options capture; /* but for what guards the pause, which is the session's */
	/* What is not an error of this call: damage that was found, what cannot be removed yet. */
	void (*tell)(void *context, const struct fault *f);
	void *context;
};

struct session {
	struct session_terms terms;
	struct hypervisor *h;
	struct store *store;
	struct image *image;
	struct waker waker; /* from the first time that the guest is stopped */
	bool cpus_chosen;
	bool opened_before;
};

void session_init(struct session *s, const struct session_terms *terms);
void session_close(struct session *s); /* of a part that is not open, too */

/* Opens the monitor, where it is not open. */
int session_open_monitor(struct session *s, struct fault *f);

/* Opens what is not open; the monitor first. */
int session_open(struct session *s, struct fault *f);

/* Takes a checkpoint of what is open. Errors of capture_run(). */
int session_capture(struct session *s, struct capture_result *result, struct fault *f);

/* Closes the image and its store, which a failure may have left unfit to go on with. */
void session_close_image(struct session *s);

/* Waits, at most so long, and hears the monitor. An error is the monitor's. */
int session_idle(struct session *s, int64_t ms, struct fault *f);

/* Whether QEMU answers; connects again where it does not. An error: it is gone. */
int session_check_guest(struct session *s, struct fault *f);

/* Deletes what is not to be kept, and counts it. Nothing where there is no rule. */
int session_prune(struct session *s, uint64_t *pruned, struct fault *f);

/*
 * Frees a guest whose vmguard died during a snapshot: drains what QEMU still writes, takes left
 * write protection off its memory, and switches off what was on. Says how it is now, as
 * hypervisor_run_state(). Does no harm to a guest that does not hang. -EBUSY: somebody who lives
 * takes a snapshot of it, or it migrates.
 */
int session_rescue(const struct monitor_address *at, struct rescue_report *report, char state[32],
		   struct fault *f);
