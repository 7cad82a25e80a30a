/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The spool: segments in memory between the reader, which must never wait, and the store,
 * which may be slow.
 *
 *	reader: take() -> fill -> put() --queue--> writer thread --store_write()--> done: free again
 *
 * take() waits only when as many segments are on their way as the limit allows. After a failed
 * write, or spool_cancel(), it gives NULL at once and nothing more is written; but where the
 * write failed because the store is full, segments are taken on and dropped, so that in the end
 * it is known how much room there should have been.
 */
#pragma once

#include <sched.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"
#include "vmguard/store.h"

struct spool;

/* Starts the writer. The store image must outlive the spool. */
int spool_new(struct store_image *image, struct spool **s, struct fault *f);
/* Waits for the writes under way. Accepts NULL. */
void spool_free(struct spool *s);
SCOPE_CLOSER(spool_free, struct spool)

/* The most it may hold, before the first take(). */
void spool_set_limit(struct spool *s, uint64_t bytes);

/* Bytes a second to the store, 0: no limit; before the first take(). The writer alone waits. */
void spool_set_rate(struct spool *s, uint64_t bytes);

struct image_buffers *spool_buffers(struct spool *s);

/* Nothing more is written; take() gives NULL. Any thread. */
void spool_cancel(struct spool *s);

/* Waits for that at most so long: whether nothing is to be written any more. */
bool spool_wait(struct spool *s, int ms);

/*
 * Waits until all that was put is written: 0, or the first write's failure. -ENOSPC, -EDQUOT: says
 * how much is missing.
 */
int spool_drain(struct spool *s, struct fault *f);

struct spool_figures {
	uint64_t limit_bytes;
	uint64_t now_bytes;	/* in it */
	uint64_t used_bytes;	/* the most that was in it */
	int64_t full_us;	/* how long take() waited */
	uint64_t put_bytes;	/* what was to be written, */
	uint64_t written_bytes; /* and what was, */
	uint64_t writes;	/* in so many writes, those that failed among them */
	cpu_set_t cpus;		/* where the writer was seen to run, and the store's threads */
};

void spool_figures(struct spool *s, struct spool_figures *figures);
