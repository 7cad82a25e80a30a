/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fixed grid of a series, in milliseconds of a clock that only goes forward:
 *
 *	tick      0     1     2     3     4     5
 *	          |-----|-----|-----|-----|-----|---
 *	work      [===]       [===========]             3 is missed; 4 comes in time
 *
 * A tick that comes while its predecessor is worked on is missed: counted, never queued.
 */
#pragma once

#include <stdint.h>

struct ticks {
	int64_t first_ms;
	int64_t every_ms;
	uint64_t next; /* tick 0 is at first_ms */
};

/* How long it is to the next tick; 0: it is due. */
int64_t ticks_wait_ms(const struct ticks *t, int64_t now_ms);

/* The next tick is worked off, at now_ms. Returns how many were missed meanwhile. */
uint64_t ticks_pass(struct ticks *t, int64_t now_ms);
