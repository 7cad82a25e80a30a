/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cleaner keeps the image small. Pages that changed leave holes in the segments where they
 * were; a segment is free when its last page has left. So before a checkpoint the emptiest
 * segments are chosen as victims, and what still lives in them is packed again with the changed
 * pages as it passes by: nothing is read.
 *
 *	segment 7  ####....   victim: its four pages move    segment 9  ####cc##c####
 *	segment 8  #######.   stays
 *
 * Segments that hold pages take at most 1.4 times the space of the pages, and that also after the
 * next checkpoint, if it leaves as many behind as the last.
 */
#pragma once

#include "image/segments.h"
#include "image/table.h"

struct cleaner {
	uint32_t slots;	   /* pages in a segment */
	uint32_t *live;	   /* by segment: pages that are there */
	uint64_t room;	   /* of the array, in segments */
	uint64_t pages;	   /* the sum */
	uint64_t segments; /* with any */

	struct segment_map victims;
	uint64_t victim_count;
	uint64_t before; /* segments when the victims were chosen */
	uint64_t growth; /* what the last checkpoint left behind, in segments */
};

/* Counts the pages of a table anew. */
int cleaner_count(struct cleaner *c, const struct page_table *t, uint32_t slots, struct fault *f);

/* A page has left a slot, or come to one; slot 0: neither. */
void cleaner_leave(struct cleaner *c, uint32_t slot);
int cleaner_come(struct cleaner *c, uint32_t slot, struct fault *f);

/* Whether the page in this slot should move. */
bool cleaner_wants(const struct cleaner *c, uint32_t slot);

/* Before a checkpoint, and when all its pages have passed; `moved` of them only for the cleaner. */
int cleaner_choose(struct cleaner *c, struct fault *f);
void cleaner_finish(struct cleaner *c, uint64_t moved);

/* The segments that hold pages. */
int cleaner_list(const struct cleaner *c, struct segment_list *l, struct fault *f);

void cleaner_clear(struct cleaner *c);
