/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open checkpoint, shared by checkpoint.c (structures), pages.c, verify.c and diff.c. */
#pragma once

#include "image/format.h"
#include "image/table.h"
#include "vmguard/image.h"

struct checkpoint {
	struct store_image *store;
	struct superblock superblock;
	struct manifest manifest;
	bool skip_verify;
	void (*progress)(void *context, const struct verify_figures *now); /* may be NULL */
	void *progress_context;

	/* after checkpoint_load() */
	struct page_table table;
	unsigned place_bits; /* of a slot, behind those of the segment */
	uint32_t *order;     /* the pages that are not zero, by segment */
	struct segment_pages *segments;
	size_t segment_count;
};

#define NO_PAGE UINT64_MAX

/* Takes every page that is not zero. */
struct page_walk {
	int (*page)(void *context, uint64_t page, const uint8_t *data, struct fault *f);
	/*
	 * Instead, for a page that is damaged, or NO_PAGE for a whole segment that cannot be read;
	 * *f says it. 0: go on. NULL: damage ends the walk.
	 */
	int (*damaged)(void *context, uint64_t page, uint64_t segment, struct fault *f);
	void *context;
};

int checkpoint_walk(struct checkpoint *c, const struct page_walk *w, struct fault *f);
