/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page service of a lazy restore: the guest runs, and its pages come when they are asked for
 * and otherwise one after the other.
 *
 *	QEMU --request--> return path --> demand queue --> demand threads --page, then its window-->
 *	                   (a thread)                                                              |
 *	store --segments--> background threads, those that changed last first --batches--> channel
 *-> QEMU
 *
 * A demanded page goes ahead of the background, which waits while one is on its way. Zero pages are
 * sent only when they are asked for. The end is written when every page that is not zero was sent.
 *
 * A failure ends the service; what was claimed and not sent is then lost to this source, and the
 * next one asks QEMU what it has (restore --resume).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"
#include "vmguard/restore.h"

enum {
	WINDOW_PAGES = 32,
	UNIT_PAGES_MAX = 512, /* of a host page */
};

struct page_service_options {
	struct checkpoint *checkpoint;	 /* loaded */
	const uint64_t *host_page_bytes; /* by block */
	int fd;
	int preempt_fd;		  /* a second channel for what is demanded; -1: none */
	bool ends_preempt;	  /* the second channel is ended by its source */
	uint64_t max_rate;	  /* of the background, bytes a second; 0: no limit */
	int64_t store_wait_ms;	  /* a store that fails is tried again for so long */
	bool resume;		  /* take over from a source that died */
	const volatile int *stop; /* may be NULL */
};

struct page_service;

/* Sends the head. Both descriptors stay the caller's. */
int page_service_open(const struct page_service_options *o, struct page_service **s,
		      struct fault *f);

/* Sends the device state, after which the guest runs, and serves what it asks for. */
int page_service_run(struct page_service *s, const uint8_t *devices, size_t bytes, struct fault *f);
/* Instead of it where the guest has run already: asks what it has. */
int page_service_resume(struct page_service *s, struct fault *f);
/* Begins to send what is not asked for: once the guest runs, for which it would only be in the way.
 */
int page_service_push(struct page_service *s, struct fault *f);

struct page_figures {
	uint64_t pages;	   /* that are not zero */
	uint64_t sent;	   /* of them, those included that were there before a resume */
	uint64_t demanded; /* requests served */
	uint64_t bytes_sent;
	int64_t first_demand_ms; /* on monotonic_ms(); 0: none yet */
	int64_t demand_p50_us, demand_p99_us;
	bool over; /* all is sent and QEMU has said so, or it failed */
};

void page_service_figures(struct page_service *s, struct page_figures *figures);

/* Waits for the end: 0, all pages were sent and loaded; else what failed. Frees it. */
int page_service_finish(struct page_service *s, struct fault *f);

/* Ends it without the end. Accepts NULL. */
void page_service_close(struct page_service *s);
SCOPE_CLOSER(page_service_close, struct page_service)
