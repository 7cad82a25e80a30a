/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of segments, and which segments of the head are free. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"

/* Appends a segment; joins it with the last range where it follows. -ENOMEM. */
int segment_list_add(struct segment_list *l, uint64_t segment, struct fault *f);
uint64_t segment_list_count(const struct segment_list *l);
bool segment_list_has(const struct segment_list *l, uint64_t segment);
void segment_list_clear(struct segment_list *l);

/* A bitmap of the segments in use; it grows as needed, what lies beyond it is free. */
struct segment_map {
	uint8_t *bits;
	uint64_t room; /* in segments */
	uint64_t used;
	uint64_t next; /* where to look for a free one */
};

/* `to` is empty before. */
int segment_map_copy(struct segment_map *to, const struct segment_map *from, struct fault *f);
bool segment_map_has(const struct segment_map *m, uint64_t segment);
int segment_map_use(struct segment_map *m, uint64_t segment, struct fault *f);
int segment_map_use_list(struct segment_map *m, const struct segment_list *l, struct fault *f);
/* The lowest free segment at or behind m->next, which it then uses. -EFBIG, -ENOMEM. */
int segment_map_take(struct segment_map *m, uint64_t *segment, struct fault *f);
/* One behind the last segment in use. */
uint64_t segment_map_end(const struct segment_map *m);
/* The first free range at or behind `from`; the last one is open (count UINT64_MAX). */
struct segment_range segment_map_free_range(const struct segment_map *m, uint64_t from);
void segment_map_clear(struct segment_map *m);
