/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long things took, as a histogram: each power of two in 16 equal steps, so that a quantile is
 * right to 6 %. One thread at a time.
 */
#pragma once

#include <stdint.h>

enum {
	LATENCY_STEPS_SHIFT = 4,
	LATENCY_STEPS = 1 << LATENCY_STEPS_SHIFT,
	LATENCY_BUCKETS = 40 * LATENCY_STEPS, /* up to days */
};

struct latency {
	uint64_t count;
	uint32_t buckets[LATENCY_BUCKETS];
};

static inline int latency_bucket(uint64_t us)
{
	int power = 63 - __builtin_clzll(us | LATENCY_STEPS);
	int shift = power - LATENCY_STEPS_SHIFT;
	int bucket = shift * LATENCY_STEPS + (int)(us >> shift);

	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The least that falls into it. */
static inline int64_t latency_of_bucket(int bucket)
{
	int shift = bucket / LATENCY_STEPS - 1;

	if (shift <= 0)
		return bucket;
	return (int64_t)(LATENCY_STEPS + bucket % LATENCY_STEPS) << shift;
}

static inline void latency_add(struct latency *l, int64_t us)
{
	l->buckets[latency_bucket(us > 0 ? us : 0)]++;
	l->count++;
}

/* In percent: of 50 half took less. 0 where nothing was added. */
static inline int64_t latency_percentile(const struct latency *l, int percent)
{
	uint64_t rank = l->count * percent / 100;
	uint64_t seen = 0;

	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->buckets[i];
		if (seen > rank)
			return latency_of_bucket(i);
	}
	return 0;
}
