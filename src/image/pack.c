/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pages of a checkpoint. Each is fingerprinted and compared with what the last checkpoint has;
 * only those that changed go on, and those that the cleaner wants moved. The two have segments of
 * their own, because what did not change for long will not change soon:
 *
 *	page -> hash -> same? ------------------------> nothing
 *	                  |  '-- in a victim? --copy--> moved buffer   --full--> put()
 *	                  '-- changed ----------copy--> changed buffer --full--> put()
 *
 * put() goes straight to the segment where the page will live. The table of pages is brought up to
 * date on the way, and at the end the delta, or the whole index, is written from it.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/manifest.h"
#include "image/writer.h"

enum {
	DELTAS_MAX = 64,    /* each costs a read at opening */
	DELTA_PERCENT = 25, /* of the index: then it is written anew */
};

/* A table for another layout than the last checkpoint's. */
static int renumber(struct image *image, const struct ram_layout *l, struct fault *f)
{
	struct page_table table;
	int r = image->base.layout.pages
			? page_table_carry(&image->table, &image->base.layout, l, &table, f)
			: page_table_make(&table, l->pages, f);

	if (r < 0)
		return r;
	page_table_clear(&image->table);
	image->table = table;
	image->renumbered = true;
	return cleaner_count(&image->cleaner, &image->table, STORE_SEGMENT_BYTES / l->page_bytes,
			     f);
}

static int begin_next(struct image *image, const struct ram_layout *l, struct fault *f)
{
	struct manifest *m = &image->next;

	snprintf(m->guest, sizeof(m->guest), "%s", image->store->guest);
	m->id = image_next_id(image);
	m->base = image->base.id.number;
	image->changed = calloc(l->pages / 8 + 1, 1);
	if (!image->changed)
		return fault_errno(f, -ENOMEM, "keep track of changes");
	int r = layout_copy(&m->layout, l, f);
	if (!r)
		r = segment_map_copy(&image->taken, &image->live, f);
	image->taken.next = 1;
	return r;
}

int image_begin(struct image *image, const struct ram_layout *l, struct image_buffers *b,
		struct fault *f)
{
	if (image->spoilt)
		return image_fault_spoilt(f);
	image->spoilt = true; /* until it is committed */
	image->buffers = b;
	image->renumbered = false;
	image_forget_next(image);
	int r = begin_next(image, l, f);
	if (!r && !layout_numbers_alike(&image->base.layout, l))
		r = renumber(image, l, f);
	if (!r)
		r = cleaner_choose(&image->cleaner, f);
	if (!r)
		r = image_reserve(image, l->pages / image->cleaner.slots + 1, l->pages, f);
	return r;
}

/* Makes sure that `s` has a buffer and a segment to go to. */
static int open_segment(struct image *image, struct open_segment *s, struct fault *f)
{
	if (s->bytes)
		return 0;
	int r = segment_map_take(&image->taken, &s->segment, f);
	if (r < 0)
		return r;
	s->bytes = image->buffers->ops->take(image->buffers);
	if (!s->bytes)
		return fault_set(f, -ECANCELED, "no buffer for segment %" PRIu64, s->segment);
	s->filled = 0;
	return 0;
}

static void put_segment(struct image *image, struct open_segment *s, size_t bytes)
{
	image->next.bytes_written += bytes;
	image->buffers->ops->put(image->buffers, s->segment, s->bytes, bytes);
	*s = (struct open_segment){0};
}

static void put_pages(struct image *image, struct open_segment *s)
{
	put_segment(image, s, (size_t)s->filled * image->next.layout.page_bytes);
}

static void note_changed(struct image *image, uint64_t page)
{
	uint8_t bit = 1u << (page % 8);

	image->changed_count += !(image->changed[page / 8] & bit);
	image->changed[page / 8] |= bit;
}

static int add_zero(struct image *image, uint64_t page)
{
	struct page_place *place = &image->table.places[page];

	if (!place->slot)
		return 0;
	cleaner_leave(&image->cleaner, place->slot);
	place->slot = 0;
	image->table.stored--;
	image->next.pages_changed++;
	note_changed(image, page);
	return 0;
}

static int pack_page(struct image *image, enum page_stream stream, uint64_t page,
		     const uint8_t *data, struct fault *f)
{
	struct page_place *place = &image->table.places[page];
	struct open_segment *s = &image->data[stream];
	size_t page_bytes = image->next.layout.page_bytes;
	uint32_t slots = image->cleaner.slots;
	bool is_new = !s->bytes;
	int r = open_segment(image, s, f);

	if (!r && is_new && stream == CHANGED)
		r = segment_list_add(&image->next.fresh, s->segment, f);
	if (r < 0)
		return r;
	if (s->segment >= UINT32_MAX / slots)
		return fault_set(f, -EFBIG,
				 "segment %" PRIu64 ": the image is too large for pages of %zu "
				 "bytes",
				 s->segment, page_bytes);
	cleaner_leave(&image->cleaner, place->slot);
	image->table.stored += !place->slot;
	place->slot = s->segment * slots + s->filled;
	r = cleaner_come(&image->cleaner, place->slot, f);
	if (r < 0)
		return r;
	memcpy(s->bytes + s->filled * page_bytes, data, page_bytes);
	note_changed(image, page);
	image->next.pages_written++;
	if (++s->filled == slots)
		put_pages(image, s);
	return 0;
}

int image_add_page(struct image *image, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct page_place *place = &image->table.places[page];
	uint8_t hash[IMAGE_HASH_BYTES];

	assert(page < image->table.pages);
	if (!data)
		return add_zero(image, page);
	page_hash(image->head.secret, data, image->next.layout.page_bytes, hash);
	if (!place->slot || memcmp(place->hash, hash, sizeof(hash))) {
		memcpy(place->hash, hash, sizeof(hash));
		image->next.pages_changed++;
		return pack_page(image, CHANGED, page, data, f);
	}
	if (!cleaner_wants(&image->cleaner, place->slot))
		return 0;
	image->next.pages_moved++;
	return pack_page(image, MOVED, page, data, f);
}

/* ---- the end --------------------------------------------------------------------------- */

/* Blocks of one kind on their way out. */
struct block_chain {
	enum block_kind kind;
	struct segment_list *segments;
	struct open_segment open;
	uint32_t place;
};

static int open_block(struct image *image, struct block_chain *chain, struct fault *f)
{
	bool is_new = !chain->open.bytes;
	int r = open_segment(image, &chain->open, f);

	return r < 0 || !is_new ? r : segment_list_add(chain->segments, chain->open.segment, f);
}

static void put_block(struct image *image, struct block_chain *chain, size_t payload)
{
	struct block b = {chain->kind, image->next.id.number, chain->place++, payload};

	block_seal(&b, chain->open.bytes);
	put_segment(image, &chain->open, BLOCK_HEADER_BYTES + payload);
}

static int add_entry(struct image *image, struct block_chain *chain, uint64_t page, struct fault *f)
{
	const struct page_place *place = &image->table.places[page];
	struct page_entry e = {.page = page, .slot = place->slot};
	struct open_segment *s = &chain->open;
	int r = open_block(image, chain, f);

	if (r < 0)
		return r;
	memcpy(e.hash, place->hash, sizeof(e.hash));
	page_entry_encode(&e, s->bytes + BLOCK_HEADER_BYTES + s->filled * ENTRY_BYTES);
	if (++s->filled == BLOCK_ENTRIES_MAX)
		put_block(image, chain, s->filled * ENTRY_BYTES);
	return 0;
}

static bool is_listed(const struct image *image, enum block_kind kind, uint64_t page)
{
	if (kind == BLOCK_INDEX)
		return image->table.places[page].slot > 0;
	return image->changed[page / 8] & (1u << (page % 8));
}

static int put_entries(struct image *image, enum block_kind kind, struct entry_list *list,
		       struct fault *f)
{
	struct block_chain chain = {.kind = kind, .segments = &list->segments};
	int r = 0;

	list->checkpoint = image->next.id.number;
	for (uint64_t page = 0; !r && page < image->table.pages; page++)
		if (is_listed(image, kind, page)) {
			r = add_entry(image, &chain, page, f);
			list->entries++;
		}
	if (!r && chain.open.filled)
		put_block(image, &chain, chain.open.filled * ENTRY_BYTES);
	return r;
}

static bool needs_index(const struct image *image)
{
	const struct manifest *base = &image->base;
	uint64_t entries = image->changed_count;

	for (size_t i = 0; i < base->delta_count; i++)
		entries += base->deltas[i].entries;
	return image->renumbered || base->delta_count >= DELTAS_MAX ||
	       entries * 100 > image->table.stored * DELTA_PERCENT;
}

/* What the index and the deltas of the last checkpoint say still holds: one delta more. */
static int add_delta(struct image *image, struct fault *f)
{
	const struct manifest *base = &image->base;
	struct manifest *m = &image->next;
	int r = entry_list_copy(&m->index, &base->index, f);

	m->deltas = calloc(base->delta_count + 1, sizeof(*m->deltas));
	if (!m->deltas)
		return fault_errno(f, -ENOMEM, "list the deltas");
	for (; !r && m->delta_count < base->delta_count; m->delta_count++)
		r = entry_list_copy(&m->deltas[m->delta_count], &base->deltas[m->delta_count], f);
	if (r < 0 || !image->changed_count)
		return r;
	return put_entries(image, BLOCK_DELTA, &m->deltas[m->delta_count++], f);
}

static int put_devices(struct image *image, const uint8_t *devices, size_t bytes, struct fault *f)
{
	struct block_chain chain = {.kind = BLOCK_DEVICES, .segments = &image->next.devices};

	image->next.device_bytes = bytes;
	while (bytes) {
		size_t n = bytes < BLOCK_PAYLOAD_MAX ? bytes : BLOCK_PAYLOAD_MAX;
		int r = open_block(image, &chain, f);

		if (r < 0)
			return r;
		memcpy(chain.open.bytes + BLOCK_HEADER_BYTES, devices, n);
		put_block(image, &chain, n);
		devices += n;
		bytes -= n;
	}
	return 0;
}

int image_end(struct image *image, const uint8_t *devices, size_t bytes, struct fault *f)
{
	struct manifest *m = &image->next;

	for (int i = 0; i < PAGE_STREAMS; i++)
		if (image->data[i].bytes)
			put_pages(image, &image->data[i]);
	m->pages_zero = image->table.pages - image->table.stored;
	cleaner_finish(&image->cleaner, m->pages_moved);
	int r = cleaner_list(&image->cleaner, &m->data, f);
	if (!r)
		r = needs_index(image) ? put_entries(image, BLOCK_INDEX, &m->index, f)
				       : add_delta(image, f);
	return r < 0 ? r : put_devices(image, devices, bytes, f);
}
