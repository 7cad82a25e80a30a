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
#include "image/segments.h"

uint64_t checkpoint_segment_of(const struct checkpoint *c, uint64_t page)
{
	return c->table.places[page].slot >> c->place_bits;
}

/* Where in its segment it lies, in bytes. */
static size_t offset_of(const struct checkpoint *c, uint64_t page)
{
	uint32_t place = c->table.places[page].slot & ((UINT32_C(1) << c->place_bits) - 1);

	return place * (size_t)c->manifest.layout.page_bytes;
}

bool checkpoint_adjacent(const struct checkpoint *c, uint64_t a, uint64_t b)
{
	return c->table.places[b].slot == c->table.places[a].slot + 1 &&
	       checkpoint_segment_of(c, a) == checkpoint_segment_of(c, b);
}

uint64_t checkpoint_stored(const struct checkpoint *c)
{
	return c->table.stored;
}

/* Counts into starts[segment + 1], so that the sums are where each segment's pages begin. */
static void sort_pages(struct checkpoint *c, uint64_t *starts, uint64_t segments)
{
	for (uint64_t page = 0; page < c->table.pages; page++)
		if (c->table.places[page].slot)
			starts[checkpoint_segment_of(c, page) + 1]++;
	for (uint64_t segment = 0; segment < segments; segment++)
		starts[segment + 1] += starts[segment];
	for (uint64_t page = 0; page < c->table.pages; page++)
		if (c->table.places[page].slot)
			c->order[starts[checkpoint_segment_of(c, page)]++] = page;
}

static void list_segments(struct checkpoint *c, bool fresh)
{
	for (size_t at = 0, end; at < c->table.stored; at = end) {
		uint64_t segment = checkpoint_segment_of(c, c->order[at]);

		for (end = at + 1; end < c->table.stored; end++)
			if (checkpoint_segment_of(c, c->order[end]) != segment)
				break;
		if (segment_list_has(&c->manifest.fresh, segment) == fresh)
			c->segments[c->segment_count++] =
				(struct segment_pages){segment, c->order + at, end - at};
	}
}

int checkpoint_order(struct checkpoint *c, struct fault *f)
{
	uint64_t segments = 1;

	if (c->segments)
		return 0;
	for (uint64_t page = 0; page < c->table.pages; page++)
		if (checkpoint_segment_of(c, page) >= segments)
			segments = checkpoint_segment_of(c, page) + 1;
	auto_free uint64_t *starts = calloc(segments + 1, sizeof(*starts));
	c->order = calloc(c->table.stored + 1, sizeof(*c->order));
	c->segments = calloc(segments, sizeof(*c->segments));
	if (!starts || !c->order || !c->segments)
		return fault_errno(f, -ENOMEM, "put the pages in order");
	sort_pages(c, starts, segments);
	list_segments(c, true);
	list_segments(c, false);
	return 0;
}

int checkpoint_load(struct checkpoint *c, struct fault *f)
{
	if (c->table.places)
		return 0;
	c->place_bits = __builtin_ctz(STORE_SEGMENT_BYTES / c->manifest.layout.page_bytes);
	return page_table_load(c->store, &c->manifest, &c->table, f);
}

static int check_page(const struct checkpoint *c, uint64_t page, const uint8_t *data,
		      struct fault *f)
{
	const struct ram_layout *l = &c->manifest.layout;
	const struct ram_block *block = layout_block_of(l, page);
	uint64_t segment = checkpoint_segment_of(c, page);
	uint8_t hash[IMAGE_HASH_BYTES];
	char object[STORE_OBJECT_BYTES];

	if (c->skip_verify)
		return 0;
	page_hash(c->superblock.secret, data, l->page_bytes, hash);
	if (!memcmp(hash, c->table.places[page].hash, sizeof(hash)))
		return 0;
	store_object_name(c->store, segment, object);
	return fault_set(f, -EBADMSG,
			 "page %s+0x%" PRIx64 " in segment %" PRIu64
			 " (%s) is damaged: restore another checkpoint",
			 block->name, (page - block->first_page) * l->page_bytes, segment, object);
}

bool checkpoint_segment(const struct checkpoint *c, size_t k, struct segment_pages *s)
{
	if (k >= c->segment_count)
		return false;
	*s = c->segments[k];
	return true;
}

size_t checkpoint_segment_bytes(const struct checkpoint *c, const struct segment_pages *s)
{
	size_t last = 0;

	for (size_t i = 0; i < s->count; i++) {
		size_t offset = offset_of(c, s->pages[i]);

		last = offset > last ? offset : last;
	}
	return last + c->manifest.layout.page_bytes;
}

int checkpoint_read_segment(struct checkpoint *c, const struct segment_pages *s, size_t at,
			    size_t bytes, uint8_t *buffer, struct fault *f)
{
	return store_read(c->store, s->segment, at, buffer + at, bytes, f);
}

const uint8_t *checkpoint_page_in(const struct checkpoint *c, uint64_t page, const uint8_t *buffer,
				  struct fault *f)
{
	const uint8_t *data = buffer + offset_of(c, page);

	return check_page(c, page, data, f) < 0 ? NULL : data;
}

/* How many of the pages lie side by side in one segment, from the first. */
static size_t count_adjacent(const struct checkpoint *c, const uint64_t *pages, size_t count)
{
	size_t n = 1;

	while (n < count && checkpoint_adjacent(c, pages[n - 1], pages[n]))
		n++;
	return n;
}

int checkpoint_read_pages(struct checkpoint *c, const uint64_t *pages, size_t count, uint8_t *data,
			  struct fault *f)
{
	size_t page_bytes = c->manifest.layout.page_bytes;
	int r = 0;

	for (size_t at = 0, n; !r && at < count; at += n) {
		n = count_adjacent(c, pages + at, count - at);
		r = store_read(c->store, checkpoint_segment_of(c, pages[at]),
			       offset_of(c, pages[at]), data + at * page_bytes, n * page_bytes, f);
		for (size_t i = at; !r && i < at + n; i++)
			r = check_page(c, pages[i], data + i * page_bytes, f);
	}
	return r;
}

static int walk_segment(struct checkpoint *c, const struct segment_pages *s, const uint8_t *buffer,
			const struct page_walk *w, struct fault *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->count; i++) {
		const uint8_t *data = checkpoint_page_in(c, s->pages[i], buffer, f);

		if (data)
			r = w->page(w->context, s->pages[i], data, f);
		else
			r = w->damaged ? w->damaged(w->context, s->pages[i], s->segment, f)
				       : f->code;
	}
	return r;
}

int checkpoint_walk(struct checkpoint *c, const struct page_walk *w, struct fault *f)
{
	auto_free uint8_t *buffer = malloc(STORE_SEGMENT_BYTES);
	struct segment_pages s;

	if (!buffer)
		return fault_errno(f, -ENOMEM, "read pages");
	int r = checkpoint_load(c, f);
	if (!r)
		r = checkpoint_order(c, f);
	for (size_t k = 0; !r && checkpoint_segment(c, k, &s); k++) {
		r = checkpoint_read_segment(c, &s, 0, checkpoint_segment_bytes(c, &s), buffer, f);
		if (!r)
			r = walk_segment(c, &s, buffer, w, f);
		else if (w->damaged && (r == -EIO || r == -ENOENT))
			r = w->damaged(w->context, NO_PAGE, s.segment, f);
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
