/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who sends a page: whoever claims it first, and nobody else ever. QEMU dies of a page that comes
 * twice before the guest runs, and stops the guest afterwards. Any thread.
 *
 * A claim is of a unit: a page, or all pages of one host page (hugetlb), named by the first.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct claims {
	_Atomic uint64_t *words;
};

static inline bool claims_make(struct claims *c, uint64_t pages)
{
	c->words = calloc(pages / 64 + 1, sizeof(*c->words));
	return c->words;
}

/* Whether it is the caller's from here on. */
static inline bool claims_take(struct claims *c, uint64_t page)
{
	uint64_t bit = UINT64_C(1) << (page % 64);

	return !(atomic_fetch_or_explicit(&c->words[page / 64], bit, memory_order_relaxed) & bit);
}

static inline bool claims_taken(const struct claims *c, uint64_t page)
{
	return atomic_load_explicit(&c->words[page / 64], memory_order_relaxed) >> (page % 64) & 1;
}

static inline void claims_clear(struct claims *c)
{
	free(c->words);
	c->words = NULL;
}
