/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A binary heap of guests, the one with the smallest at_ms first. It owns none of them; each knows
 * its index, so that it can be taken out of the middle.
 */
#pragma once

#include <stddef.h>

#include "vmguard/schedule.h"

struct heap {
	struct schedule_guest **guests;
	size_t count, room;
};

/* Room for so many, so that pushing cannot fail. -ENOMEM. */
int heap_reserve(struct heap *h, size_t room);
void heap_push(struct heap *h, struct schedule_guest *g);
void heap_remove(struct heap *h, const struct schedule_guest *g);
/* NULL: it is empty. */
struct schedule_guest *heap_first(const struct heap *h);
void heap_free(struct heap *h);
