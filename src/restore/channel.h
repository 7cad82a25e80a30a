/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream writer on a socket, used by several threads in turn. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/stream.h"

struct channel {
	struct stream_output output; /* first: the writer hands it back */
	struct stream_writer *writer;
	int fd;
	_Atomic uint64_t bytes;
	pthread_mutex_t lock; /* guards the writer; no other lock is taken under it */
	_Atomic bool ended;
};

int channel_open(struct channel *c, const struct ram_layout *l, int fd, struct fault *f);
void channel_close(struct channel *c); /* the descriptor stays open */

/* Sends pages that lie one after the other in data, where data is NULL zero pages, as one piece. */
struct page_batch {
	const uint64_t *pages;
	size_t count;
	const uint8_t *const *data; /* by page; NULL: zero */
};

/* Behind the end it sends nothing: what is asked for then is zero, and QEMU makes it so itself. */
int channel_send(struct channel *c, const struct page_batch *batch, struct fault *f);
int channel_end(struct channel *c, struct fault *f);
