/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader: a thread that reads the stream from the FIFO as fast as it comes, to the end of
 * file in any case. It hands the bytes to the parser and the pages to the image; after the first
 * failure, or reader_abandon(), to nowhere.
 */
#pragma once

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/spool.h"
#include "vmguard/fault.h"
#include "vmguard/image.h"

struct reader;

struct reader_options {
	int fd; /* not blocking; stays the caller's */
	struct image *image;
	struct spool *spool;
	uint64_t spool_bytes; /* 0: a quarter of RAM */
	bool stopped;	      /* it ran until we stopped it: so it will when it is restored */
};

int reader_start(const struct reader_options *options, struct reader **r, struct fault *f);

/* From here on, to nowhere. Any thread. */
void reader_abandon(struct reader *r);

struct reader_figures {
	uint64_t bytes, pages, pages_zero, pages_total;
	uint64_t device_bytes;
	int64_t first_us; /* since 1970, when the first page came; 0: none yet */
	bool ended;	  /* the end of file was read */
	cpu_set_t cpus;	  /* where the reader was seen to run; none before it has ended */
};

/* How far it is. Any thread. */
void reader_figures(const struct reader *r, struct reader_figures *figures);

/* QEMU never got the descriptor, or is past saying anything: end without the end of file. */
void reader_quit(struct reader *r);

/*
 * Waits for the end of file and frees the reader. 0: the stream was whole and all its
 * segments were put; else what failed first.
 */
int reader_finish(struct reader *r, struct fault *f);
