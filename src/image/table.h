/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where each page of a checkpoint lies, and its fingerprint: 20 bytes a page in memory. A writer
 * keeps the last checkpoint's to find out what changed, a reader its own to find the pages.
 */
#pragma once

#include "image/format.h"
#include "vmguard/image.h"

struct page_place {
	uint32_t slot; /* 0: a zero page */
	uint8_t hash[IMAGE_HASH_BYTES];
};

struct page_table {
	struct page_place *places; /* by page number */
	uint64_t pages;
	uint64_t stored; /* those that are not zero */
};

/* All zero pages. The caller clears it. */
int page_table_make(struct page_table *t, uint64_t pages, struct fault *f);

/* Lays the index and the deltas of a manifest over each other. The caller clears it. -EBADMSG. */
int page_table_load(struct store_image *s, const struct manifest *m, struct page_table *t,
		    struct fault *f);

/*
 * The table of one layout for another: blocks are found by name, pages by their place in the block;
 * what the other has not is zero. The caller clears *to.
 */
int page_table_carry(const struct page_table *from, const struct ram_layout *old,
		     const struct ram_layout *l, struct page_table *to, struct fault *f);

void page_table_clear(struct page_table *t);

/* Whether pages have the same numbers in both. */
bool layout_numbers_alike(const struct ram_layout *a, const struct ram_layout *b);
