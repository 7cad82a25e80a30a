/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pages of a checkpoint, in the order in which they lie in the store, so that each data segment
 * is read once, as a whole:
 *
 *	table -> pages by segment -> segment 1: page, page … | segment 2 … | zero pages
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "image/blocks.h"
#include "image/checkpoint.h"

uint32_t checkpoint_slots(const struct checkpoint *c)
{
	return STORE_SEGMENT_BYTES / c->manifest.layout.page_bytes;
}

static uint64_t segment_of(const struct checkpoint *c, uint64_t page)
{
	return c->table.places[page].slot / checkpoint_slots(c);
}

/* Counts into starts[segment + 1], so that the sums are where each segment's pages begin. */
static void sort_pages(struct checkpoint *c, uint64_t *starts, uint64_t segments)
{
	for (uint64_t page = 0; page < c->table.pages; page++)
		if (c->table.places[page].slot)
			starts[segment_of(c, page) + 1]++;
	for (uint64_t segment = 0; segment < segments; segment++)
		starts[segment + 1] += starts[segment];
	for (uint64_t page = 0; page < c->table.pages; page++)
		if (c->table.places[page].slot)
			c->order[starts[segment_of(c, page)]++] = page;
}

static int order_pages(struct checkpoint *c, struct fault *f)
{
	uint64_t segments = 1;

	for (uint64_t page = 0; page < c->table.pages; page++)
		if (segment_of(c, page) >= segments)
			segments = segment_of(c, page) + 1;
	auto_free uint64_t *starts = calloc(segments + 1, sizeof(*starts));
	c->order = calloc(c->table.stored + 1, sizeof(*c->order));
	if (!starts || !c->order)
		return fault_errno(f, -ENOMEM, "put the pages in order");
	sort_pages(c, starts, segments);
	return 0;
}

int checkpoint_load(struct checkpoint *c, struct fault *f)
{
	if (c->order)
		return 0;
	int r = page_table_load(c->store, &c->manifest, &c->table, f);

	return r < 0 ? r : order_pages(c, f);
}

static int check_page(const struct checkpoint *c, uint64_t page, const uint8_t *data,
		      struct fault *f)
{
	const struct ram_layout *l = &c->manifest.layout;
	const struct ram_block *block = layout_block_of(l, page);
	uint64_t segment = segment_of(c, page);
	uint8_t hash[IMAGE_HASH_BYTES];
	char object[STORE_OBJECT_BYTES];

	page_hash(c->superblock.secret, data, l->page_bytes, hash);
	if (!memcmp(hash, c->table.places[page].hash, sizeof(hash)))
		return 0;
	store_object_name(c->store, segment, object);
	return fault_set(f, -EBADMSG,
			 "page %s+0x%" PRIx64 " in segment %" PRIu64
			 " (%s) is damaged: restore another checkpoint",
			 block->name, (page - block->first_page) * l->page_bytes, segment, object);
}

/* Reads the segment of order[from], up to its last page; *end is one behind its pages. */
static int read_segment(struct checkpoint *c, size_t from, size_t *end, uint8_t *buffer,
			struct fault *f)
{
	uint64_t segment = segment_of(c, c->order[from]);
	uint32_t last = 0;

	for (*end = from; *end < c->table.stored && segment_of(c, c->order[*end]) == segment;
	     ++*end) {
		uint32_t place = c->table.places[c->order[*end]].slot % checkpoint_slots(c);

		last = place > last ? place : last;
	}
	return store_read(c->store, segment, 0, buffer,
			  (last + 1) * (size_t)c->manifest.layout.page_bytes, f);
}

static int walk_segment(struct checkpoint *c, size_t from, size_t end, const uint8_t *buffer,
			const struct page_walk *w, struct fault *f)
{
	size_t page_bytes = c->manifest.layout.page_bytes;
	int r = 0;

	for (size_t i = from; !r && i < end; i++) {
		uint32_t page = c->order[i];
		const uint8_t *data =
			buffer + c->table.places[page].slot % checkpoint_slots(c) * page_bytes;

		r = c->skip_verify ? 0 : check_page(c, page, data, f);
		if (!r)
			r = w->page(w->context, page, data, f);
		else if (w->damaged)
			r = w->damaged(w->context, page, segment_of(c, page), f);
	}
	return r;
}

int checkpoint_walk(struct checkpoint *c, const struct page_walk *w, struct fault *f)
{
	auto_free uint8_t *buffer = malloc(STORE_SEGMENT_BYTES);
	size_t end;

	if (!buffer)
		return fault_errno(f, -ENOMEM, "read pages");
	int r = checkpoint_load(c, f);
	for (size_t at = 0; !r && at < c->table.stored; at = end) {
		r = read_segment(c, at, &end, buffer, f);
		if (!r)
			r = walk_segment(c, at, end, buffer, w, f);
		else if (w->damaged && (r == -EIO || r == -ENOENT))
			r = w->damaged(w->context, NO_PAGE, segment_of(c, c->order[at]), f);
	}
	return r;
}

void checkpoint_skip_verify(struct checkpoint *c)
{
	c->skip_verify = true;
}

static int sink_page(void *sink, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct page_sink *s = sink;

	return s->ops->page(s, page, data, f);
}

int checkpoint_each_page(struct checkpoint *c, struct page_sink *sink, struct fault *f)
{
	const struct page_walk walk = {.page = sink_page, .context = sink};
	int r = checkpoint_walk(c, &walk, f);

	for (uint64_t page = 0; !r && page < c->table.pages; page++)
		if (!c->table.places[page].slot)
			r = sink->ops->page(sink, page, NULL, f);
	return r;
}
