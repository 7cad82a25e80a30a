/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clock for intervals: CLOCK_MONOTONIC in units that fit a name. Any thread. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* Milliseconds since some moment; only differences mean something. */
static inline int64_t monotonic_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

/* Milliseconds since 1970. */
static inline int64_t wall_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

static inline void sleep_us(int64_t us)
{
	const struct timespec t = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&t, NULL);
}
