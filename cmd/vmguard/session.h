/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stays open from one snapshot of a guest to the next: the monitor, the store, the image,
 * which knows from the last checkpoint what has changed since.
 */
#pragma once

#include <stdbool.h>

#include "verb.h"
#include "vmguard/capture.h"
#include "waker.h"

struct session {
	const struct arguments *arguments;
	struct hypervisor *h;
	struct store *store;
	struct image *image;
	struct capture_options options;
	struct waker waker; /* from the first time that the guest is stopped */
	bool cpus_chosen;
	bool opened_before; /* --whole is for the first checkpoint of a series */
};

void session_init(struct session *s, const struct arguments *a);
void session_close(struct session *s); /* of a part that is not open, too */

/* Opens the monitor, where it is not open. */
int session_open_monitor(struct session *s, struct fault *f);

/* Opens what is not open; the monitor first. */
int session_open(struct session *s, struct fault *f);

/* Takes a checkpoint of what is open. */
int session_capture(struct session *s, struct capture_result *result, struct fault *f);

/* Closes the image and its store, which a failure may have left unfit to go on with. */
void session_close_image(struct session *s);

/* Waits, at most so long, and hears the monitor. An error is the monitor's. */
int session_idle(struct session *s, int64_t ms, struct fault *f);

/* Whether QEMU answers; connects again where it does not. An error: it is gone. */
int session_check_guest(struct session *s, struct fault *f);

/* Deletes what the --keep-… do not keep, and counts it. Nothing where there are none. */
int session_prune(struct session *s, uint64_t *pruned, struct fault *f);
