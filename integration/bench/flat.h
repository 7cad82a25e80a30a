/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A flat copy of RAM in an RBD image: each page at its fixed offset, a snapshot for each
 * checkpoint. Straight on librbd; nothing of vmguard but its faults.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"

struct flat;

struct flat_place {
	const char *conf;
	const char *pool;
	const char *name; /* the image is NAME-flat; made with the pool's default features */
};

int flat_open(const struct flat_place *place, uint64_t bytes, unsigned in_flight, struct flat **out,
	      struct fault *f);
void flat_close(struct flat *flat); /* accepts NULL */

/* Waits while too many are under way; data stays untouched until flat_commit(). */
int flat_write(struct flat *flat, uint64_t offset, const void *data, size_t bytes, struct fault *f);
/* Waits for the writes, makes them durable, takes the snapshot of this number. */
int flat_commit(struct flat *flat, uint64_t number, struct fault *f);
int flat_forget(struct flat *flat, uint64_t number, struct fault *f);
