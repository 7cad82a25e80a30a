/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pages of a checkpoint. The index and the deltas since are laid over each other and put
 * in the order of the slots, so that each data segment is read once, as a whole:
 *
 *	index, delta … -> entries by slot -> segment 1: page, page … | segment 2 … | zero pages
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "image/blocks.h"
#include "image/checkpoint.h"
#include "image/segments.h"

static uint32_t slots_per_segment(const struct checkpoint *c)
{
	return STORE_SEGMENT_BYTES / c->manifest.layout.page_bytes;
}

static int append_entry(struct checkpoint *c, const struct page_entry *e, struct fault *f)
{
	if (c->entry_count == c->entry_room) {
		size_t room = c->entry_room ? c->entry_room * 2 : 4096;
		struct page_entry *entries = realloc(c->entries, room * sizeof(*entries));

		if (!entries)
			return fault_errno(f, -ENOMEM, "keep %zu entries", room);
		c->entries = entries;
		c->entry_room = room;
	}
	c->entries[c->entry_count++] = *e;
	c->entry_of[e->page] = c->entry_count;
	return 0;
}

static int add_entry(struct checkpoint *c, const struct page_entry *e, enum block_kind kind,
		     struct fault *f)
{
	uint32_t segment = e->slot / slots_per_segment(c);

	if (e->page >= c->manifest.layout.pages)
		return fault_set(f, -EBADMSG, "page %u of %" PRIu64, e->page,
				 c->manifest.layout.pages);
	if (e->slot && !segment_list_has(&c->manifest.data, segment))
		return fault_set(f, -EBADMSG, "page %u lies in segment %u, which holds no pages",
				 e->page, segment);
	if (!c->entry_of[e->page])
		return append_entry(c, e, f);
	if (kind == BLOCK_INDEX)
		return fault_set(f, -EBADMSG, "page %u is named twice", e->page);
	c->entries[c->entry_of[e->page] - 1] = *e;
	return 0;
}

static int load_block(struct checkpoint *c, uint64_t segment, struct block *b, struct fault *f)
{
	auto_free uint8_t *block = NULL;

	if (block_read(c->store, segment, b, &block, f) < 0)
		return f->code;
	if (b->payload_bytes % ENTRY_BYTES)
		return fault_set(f, -EBADMSG, "segment %" PRIu64 ": a part of an entry", segment);
	for (size_t at = 0; at < b->payload_bytes; at += ENTRY_BYTES) {
		struct page_entry entry;

		page_entry_decode(&entry, block + BLOCK_HEADER_BYTES + at);
		if (add_entry(c, &entry, b->kind, f) < 0)
			return fault_wrap(f, "segment %" PRIu64, segment);
	}
	return 0;
}

static int load_list(struct checkpoint *c, const struct entry_list *l, enum block_kind kind,
		     struct fault *f)
{
	uint32_t place = 0;

	for (size_t i = 0; i < l->segments.count; i++)
		for (uint64_t k = 0; k < l->segments.ranges[i].count; k++) {
			struct block b = {kind, l->checkpoint, place++, 0};

			if (load_block(c, l->segments.ranges[i].first + k, &b, f) < 0)
				return fault_wrap(f, kind == BLOCK_INDEX ? "index" : "delta");
		}
	return 0;
}

static int by_slot(const void *a, const void *b)
{
	uint32_t left = ((const struct page_entry *)a)->slot;
	uint32_t right = ((const struct page_entry *)b)->slot;

	return (left > right) - (left < right);
}

/* Takes out the pages that became zero and puts the others in the order of their slots. */
static void order_entries(struct checkpoint *c)
{
	size_t kept = 0;
	bool sorted = true;

	for (size_t i = 0; i < c->entry_count; i++) {
		if (!c->entries[i].slot) {
			c->entry_of[c->entries[i].page] = 0;
			continue;
		}
		sorted = sorted && (!kept || c->entries[kept - 1].slot < c->entries[i].slot);
		c->entries[kept++] = c->entries[i];
	}
	c->entry_count = kept;
	if (!sorted)
		qsort(c->entries, kept, sizeof(*c->entries), by_slot);
}

static int load_lists(struct checkpoint *c, struct fault *f)
{
	const struct manifest *m = &c->manifest;
	int r = load_list(c, &m->index, BLOCK_INDEX, f);
	for (size_t i = 0; !r && i < m->delta_count; i++)
		r = load_list(c, &m->deltas[i], BLOCK_DELTA, f);
	if (r < 0)
		return r;
	order_entries(c);
	if (c->entry_count + m->pages_zero != m->layout.pages)
		return fault_set(f, -EBADMSG,
				 "the index names %zu pages and the manifest %" PRIu64
				 " zero pages of %" PRIu64,
				 c->entry_count, m->pages_zero, m->layout.pages);
	return 0;
}

/* Once; a part of them is not kept, or it would pass for all the next time. */
static int load_entries(struct checkpoint *c, struct fault *f)
{
	if (c->entry_of)
		return 0;
	c->entry_of = calloc(c->manifest.layout.pages + 1, sizeof(*c->entry_of));
	if (!c->entry_of)
		return fault_errno(f, -ENOMEM, "read the index");
	int r = load_lists(c, f);
	if (r < 0) {
		c->entry_count = 0;
		free(give(c->entry_of));
	}
	return r;
}

static int check_page(const struct checkpoint *c, const struct page_entry *e, const uint8_t *data,
		      uint64_t segment, struct fault *f)
{
	const struct ram_layout *l = &c->manifest.layout;
	uint8_t hash[IMAGE_HASH_BYTES];

	page_hash(c->superblock.secret, data, l->page_bytes, hash);
	if (!memcmp(hash, e->hash, sizeof(hash)))
		return 0;
	const struct ram_block *block = layout_block_of(l, e->page);
	return fault_set(f, -EBADMSG,
			 "page %s+0x%" PRIx64 " in segment %" PRIu64
			 " is damaged: restore another checkpoint",
			 block->name, (e->page - block->first_page) * l->page_bytes, segment);
}

/* Hands on the pages of entries[from…] that lie in one segment; returns how many, or an error. */
static int64_t each_of_segment(struct checkpoint *c, size_t from, uint8_t *buffer,
			       struct page_sink *sink, struct fault *f)
{
	size_t page_bytes = c->manifest.layout.page_bytes;
	uint32_t slots = slots_per_segment(c);
	uint64_t segment = c->entries[from].slot / slots;
	size_t end = from + 1;

	while (end < c->entry_count && c->entries[end].slot / slots == segment)
		end++;
	size_t bytes = (c->entries[end - 1].slot % slots + 1) * page_bytes;
	int r = store_read(c->store, segment, 0, buffer, bytes, f);
	for (size_t i = from; !r && i < end; i++) {
		const struct page_entry *e = &c->entries[i];
		const uint8_t *data = buffer + e->slot % slots * page_bytes;

		r = check_page(c, e, data, segment, f);
		if (!r)
			r = sink->ops->page(sink, e->page, data, f);
	}
	return r < 0 ? r : (int64_t)(end - from);
}

static int each_zero_page(const struct checkpoint *c, struct page_sink *sink, struct fault *f)
{
	int r = 0;

	for (uint64_t page = 0; !r && page < c->manifest.layout.pages; page++)
		if (!c->entry_of[page])
			r = sink->ops->page(sink, page, NULL, f);
	return r;
}

int checkpoint_each_page(struct checkpoint *c, struct page_sink *sink, struct fault *f)
{
	auto_free uint8_t *buffer = malloc(STORE_SEGMENT_BYTES);

	if (!buffer)
		return fault_errno(f, -ENOMEM, "read pages");
	int r = load_entries(c, f);
	for (size_t at = 0; !r && at < c->entry_count;) {
		int64_t pages = each_of_segment(c, at, buffer, sink, f);

		if (pages < 0)
			r = pages;
		else
			at += pages;
	}
	return r < 0 ? r : each_zero_page(c, sink, f);
}
