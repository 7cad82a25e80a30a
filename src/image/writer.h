/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image that is open for writing, shared by
 *
 *	image.c   opening: what the last checkpoint left
 *	pack.c    the pages of the next one: compared, packed, put
 *	commit.c  making it the last one, or dropping it; deleting others
 */
#pragma once

#include "image/cleaner.h"
#include "image/format.h"
#include "image/segments.h"
#include "image/table.h"
#include "vmguard/image.h"

struct open_segment {
	uint8_t *bytes; /* NULL: none taken */
	uint64_t segment;
	uint32_t filled; /* pages or entries */
};

enum page_stream { CHANGED, MOVED, PAGE_STREAMS };

struct image {
	struct store *of;
	struct store_image *store;
	struct superblock head;	 /* of the checkpoint in the head */
	struct manifest base;	 /* its manifest; pages 0: there is none to compare with */
	struct segment_map live; /* the segments that it needs */
	bool trimmed;		 /* no segment is in use that is neither live nor taken */
	uint64_t reserved;	 /* segments that there is room for */
	struct fault damage; /* why there is no base, though there is a checkpoint; else code 0 */
	bool spoilt;	     /* the table is no longer the base's: to be opened again */
	bool head_unsure;    /* a commit failed: the head's superblock may be the next one's */

	/*
	 * The pages: of the base between two checkpoints, and while the next one is written of
	 * that, as far as it has come.
	 */
	struct page_table table;
	struct cleaner cleaner;

	/* the checkpoint being written */
	struct manifest next;
	struct segment_map taken; /* and live */
	uint8_t *changed;	  /* a bit a page: changed or moved */
	uint64_t changed_count;
	bool renumbered; /* the layout is another: deltas would not fit the index */
	struct image_buffers *buffers;
	struct open_segment data[PAGE_STREAMS];
};

/* Forgets what was begun. The table is then of nothing that the store has. */
void image_forget_next(struct image *image);

/* Marks what a checkpoint needs. `map` is empty before. */
int image_mark_live(struct segment_map *map, const struct manifest *m, uint64_t manifest_segment,
		    struct fault *f);

/* Makes room for that many segments of pages beside those in use, and for their index. */
int image_reserve(struct image *image, uint64_t data_segments, uint64_t pages, struct fault *f);

/* -ESTALE */
int image_fault_spoilt(struct fault *f);
