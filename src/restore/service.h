/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a page service, shared by
 *
 *	pages.c       beginning, end, what failed; the return path
 *	demand.c      pages that were asked for
 *	background.c  all the others
 *	send.c        reading and sending units of pages, for both
 */
#pragma once

#include <pthread.h>

#include "restore/channel.h"
#include "restore/claims.h"
#include "restore/latency.h"
#include "restore/pages.h"

enum {
	DEMAND_THREADS = 8,
	BACKGROUND_THREADS = 4, /* segments read at the same time */
	QUEUE_MAX = 1 << 16,	/* a fault a thread of QEMU: never that many */
	BATCH_PAGES = 16,	/* of the background: a demanded page waits no longer than that */
	PIECE_BYTES = 1 << 20,	/* likewise in the store */
};

struct demand {
	uint64_t page;
	uint64_t pages;
	int64_t since_us;
};

struct page_service {
	struct return_path_sink sink; /* first: the return path hands it back */
	struct page_service_options options;
	const struct ram_layout *layout;
	struct claims claims;
	struct channel main, urgent; /* urgent.writer NULL: demanded pages go the same way */
	struct return_path *return_path;

	_Atomic uint64_t sent;
	_Atomic size_t next_segment;

	pthread_mutex_t lock; /* guards all below; no other lock is taken under it */
	pthread_cond_t work;  /* demand threads: the queue or `ending` */
	pthread_cond_t calm;  /* background: `urgent_count`, or `ending` */
	pthread_cond_t step;  /* finish, resume: anything else */
	struct demand queue[QUEUE_MAX];
	size_t queue_first, queue_count;
	unsigned urgent_count;
	int64_t demand_us; /* when something was asked for last */
	int64_t rate_us;   /* when the background may send again */
	bool ending;	   /* threads leave */
	int result;	   /* of the first failure */
	struct fault failure;
	bool shut;
	bool resumed;
	int64_t resumed_us; /* when it did */
	size_t blocks_received;
	int64_t first_demand_ms;
	struct latency latency;

	pthread_t threads[1 + DEMAND_THREADS + BACKGROUND_THREADS];
	size_t thread_count;
};

/* The first failure is kept, everyone is woken up, QEMU sees the channels end. */
void service_fail(struct page_service *s, const struct fault *f);
bool service_is_ending(struct page_service *s);

/* send.c: pages of the unit (or, for ordinary blocks, of the page alone). */
size_t unit_pages(const struct page_service *s, uint64_t page);
uint64_t unit_first(const struct page_service *s, uint64_t page);
/* Reads and sends a unit that the caller has claimed, zero pages included. */
int send_unit(struct page_service *s, struct channel *c, uint64_t first, struct fault *f);
/* Reads pages that the caller has claimed, none zero, one after the other into data. */
int read_claimed(struct page_service *s, const uint64_t *pages, size_t count, uint8_t *data,
		 struct fault *f);
/* Reads again for a while where the store fails; -EBADMSG is no failure of the store. */
int read_patiently(struct page_service *s, int (*read)(void *context, struct fault *f),
		   void *context, struct fault *f);

void *demand_main(void *service);
void *background_main(void *service);
