/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/cleaner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SPACE_PERCENT = 140, /* of segments against the pages in them */
	SPARE_SEGMENTS = 2,  /* more than that, or a small guest would be cleaned for nothing */
	FULL_PERCENT = 90,   /* a segment so full is not worth moving */
};

static int grow(struct cleaner *c, uint64_t segment, struct fault *f)
{
	if (segment < c->room)
		return 0;
	uint64_t room = (segment + 1) * 2 + 1024;
	uint32_t *live = realloc(c->live, room * sizeof(*live));
	if (!live)
		return fault_errno(f, -ENOMEM, "keep track of segments");
	memset(live + c->room, 0, (room - c->room) * sizeof(*live));
	c->live = live;
	c->room = room;
	return 0;
}

int cleaner_come(struct cleaner *c, uint32_t slot, struct fault *f)
{
	uint64_t segment = slot / c->slots;

	if (!slot)
		return 0;
	if (grow(c, segment, f) < 0)
		return f->code;
	c->segments += !c->live[segment]++;
	c->pages++;
	return 0;
}

void cleaner_leave(struct cleaner *c, uint32_t slot)
{
	if (!slot)
		return;
	c->segments -= !--c->live[slot / c->slots];
	c->pages--;
}

int cleaner_count(struct cleaner *c, const struct page_table *t, uint32_t slots, struct fault *f)
{
	int r = 0;

	cleaner_clear(c);
	c->slots = slots;
	for (uint64_t page = 0; !r && page < t->pages; page++)
		r = cleaner_come(c, t->places[page].slot, f);
	return r;
}

bool cleaner_wants(const struct cleaner *c, uint32_t slot)
{
	return c->victim_count && segment_map_has(&c->victims, slot / c->slots);
}

struct candidate {
	uint32_t segment;
	uint32_t live;
};

static int emptiest_first(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;

	if (left->live != right->live)
		return left->live < right->live ? -1 : 1;
	return (left->segment > right->segment) - (left->segment < right->segment);
}

static struct candidate *list_candidates(const struct cleaner *c)
{
	struct candidate *list = calloc(c->segments + 1, sizeof(*list));
	uint64_t count = 0;

	for (uint64_t segment = 0; list && segment < c->room; segment++)
		if (c->live[segment])
			list[count++] = (struct candidate){segment, c->live[segment]};
	if (list)
		qsort(list, count, sizeof(*list), emptiest_first);
	return list;
}

static uint64_t allowed_segments(const struct cleaner *c)
{
	return c->pages * SPACE_PERCENT / 100 / c->slots + SPARE_SEGMENTS;
}

int cleaner_choose(struct cleaner *c, struct fault *f)
{
	uint64_t expected = c->segments + c->growth;
	uint64_t allowed = allowed_segments(c);
	uint64_t moved = 0;
	int r = 0;

	segment_map_clear(&c->victims);
	c->victim_count = 0;
	c->before = c->segments;
	if (expected <= allowed)
		return 0;
	auto_free struct candidate *list = list_candidates(c);
	if (!list)
		return fault_errno(f, -ENOMEM, "choose segments to clean");
	for (uint64_t i = 0; !r && i < c->segments; i++) {
		bool full = list[i].live * 100ull > c->slots * (uint64_t)FULL_PERCENT;

		if (full || expected - i + moved / c->slots <= allowed)
			break;
		r = segment_map_use(&c->victims, list[i].segment, f);
		moved += list[i].live;
		c->victim_count++;
	}
	return r;
}

void cleaner_finish(struct cleaner *c, uint64_t moved)
{
	uint64_t came_for_moves = (moved + c->slots - 1) / c->slots;
	uint64_t without_cleaning = c->segments + c->victim_count - came_for_moves;

	/* A first checkpoint tells nothing. */
	c->growth = c->before && without_cleaning > c->before ? without_cleaning - c->before : 0;
	segment_map_clear(&c->victims);
	c->victim_count = 0;
}

int cleaner_list(const struct cleaner *c, struct segment_list *l, struct fault *f)
{
	int r = 0;

	for (uint64_t segment = 0; !r && segment < c->room; segment++)
		if (c->live[segment])
			r = segment_list_add(l, segment, f);
	return r;
}

void cleaner_clear(struct cleaner *c)
{
	free(c->live);
	segment_map_clear(&c->victims);
	*c = (struct cleaner){0};
}
