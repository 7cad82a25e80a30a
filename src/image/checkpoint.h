/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An open checkpoint, shared by checkpoint.c (structures) and pages.c. */
#pragma once

#include "image/format.h"
#include "vmguard/image.h"

struct checkpoint {
	struct store_image *store;
	struct superblock superblock;
	struct manifest manifest;

	/* pages.c: one entry for each page that is not zero, by slot */
	struct page_entry *entries;
	size_t entry_count;
	size_t entry_room;
	uint32_t *entry_of; /* page -> 1 + its entry; 0: zero page */
};
