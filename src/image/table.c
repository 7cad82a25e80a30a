/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "image/blocks.h"
#include "image/segments.h"

int page_table_make(struct page_table *t, uint64_t pages, struct fault *f)
{
	*t = (struct page_table){.places = calloc(pages + 1, sizeof(*t->places)), .pages = pages};
	if (!t->places)
		return fault_errno(f, -ENOMEM, "keep track of %" PRIu64 " pages", pages);
	return 0;
}

void page_table_clear(struct page_table *t)
{
	free(t->places);
	*t = (struct page_table){0};
}

/* What is needed while a table is read. */
struct loading {
	struct store_image *store;
	struct page_table *table;
	struct segment_map data; /* segments that hold pages */
	uint32_t slots;		 /* pages in a segment */
};

static int set_place(struct loading *l, const struct page_entry *e, enum block_kind kind,
		     struct fault *f)
{
	if (e->page >= l->table->pages)
		return fault_set(f, -EBADMSG, "page %u of %" PRIu64, e->page, l->table->pages);
	struct page_place *place = &l->table->places[e->page];
	if (place->slot && kind == BLOCK_INDEX)
		return fault_set(f, -EBADMSG, "page %u is named twice", e->page);
	l->table->stored += !!e->slot - !!place->slot;
	place->slot = e->slot;
	memcpy(place->hash, e->hash, sizeof(place->hash));
	return 0;
}

static int load_block(struct loading *l, uint64_t segment, struct block *b, struct fault *f)
{
	auto_free uint8_t *block = NULL;

	if (block_read(l->store, segment, b, &block, f) < 0)
		return f->code;
	if (b->payload_bytes % ENTRY_BYTES)
		return fault_set(f, -EBADMSG, "segment %" PRIu64 ": a part of an entry", segment);
	for (size_t at = 0; at < b->payload_bytes; at += ENTRY_BYTES) {
		struct page_entry entry;

		page_entry_decode(&entry, block + BLOCK_HEADER_BYTES + at);
		if (set_place(l, &entry, b->kind, f) < 0)
			return fault_wrap(f, "segment %" PRIu64, segment);
	}
	return 0;
}

static int load_list(struct loading *l, const struct entry_list *list, enum block_kind kind,
		     struct fault *f)
{
	uint32_t place = 0;

	for (size_t i = 0; i < list->segments.count; i++)
		for (uint64_t k = 0; k < list->segments.ranges[i].count; k++) {
			struct block b = {kind, list->checkpoint, place++, 0};

			if (load_block(l, list->segments.ranges[i].first + k, &b, f) < 0)
				return fault_wrap(f, kind == BLOCK_INDEX ? "index" : "delta");
		}
	return 0;
}

/* Only now: what an old entry named may have been freed since. */
static int check_places(const struct loading *l, struct fault *f)
{
	for (uint64_t page = 0; page < l->table->pages; page++) {
		uint32_t slot = l->table->places[page].slot;

		if (slot && !segment_map_has(&l->data, slot / l->slots))
			return fault_set(f, -EBADMSG,
					 "page %" PRIu64
					 " lies in segment %u, which holds no pages",
					 page, slot / l->slots);
	}
	return 0;
}

static int load_lists(struct loading *l, const struct manifest *m, struct fault *f)
{
	int r = segment_map_use_list(&l->data, &m->data, f);

	if (!r)
		r = load_list(l, &m->index, BLOCK_INDEX, f);
	for (size_t i = 0; !r && i < m->delta_count; i++)
		r = load_list(l, &m->deltas[i], BLOCK_DELTA, f);
	if (!r)
		r = check_places(l, f);
	if (!r && l->table->stored + m->pages_zero != m->layout.pages)
		r = fault_set(f, -EBADMSG,
			      "the index names %" PRIu64 " pages and the manifest %" PRIu64
			      " zero pages of %" PRIu64,
			      l->table->stored, m->pages_zero, m->layout.pages);
	return r;
}

int page_table_load(struct store_image *s, const struct manifest *m, struct page_table *t,
		    struct fault *f)
{
	struct loading l = {
		.store = s,
		.table = t,
		.slots = STORE_SEGMENT_BYTES / m->layout.page_bytes,
	};
	int r = page_table_make(t, m->layout.pages, f);

	if (!r)
		r = load_lists(&l, m, f);
	segment_map_clear(&l.data);
	if (r < 0)
		page_table_clear(t);
	return r;
}

bool layout_numbers_alike(const struct ram_layout *a, const struct ram_layout *b)
{
	if (a->page_bytes != b->page_bytes || a->block_count != b->block_count)
		return false;
	for (size_t i = 0; i < a->block_count; i++)
		if (strcmp(a->blocks[i].name, b->blocks[i].name) ||
		    a->blocks[i].bytes != b->blocks[i].bytes)
			return false;
	return true;
}

static void carry_block(const struct page_table *from, const struct ram_block *old,
			const struct ram_block *b, struct page_table *to)
{
	uint64_t pages = old->pages < b->pages ? old->pages : b->pages;

	for (uint64_t i = 0; i < pages; i++) {
		const struct page_place *place = &from->places[old->first_page + i];

		to->places[b->first_page + i] = *place;
		to->stored += place->slot > 0;
	}
}

int page_table_carry(const struct page_table *from, const struct ram_layout *old,
		     const struct ram_layout *l, struct page_table *to, struct fault *f)
{
	int r = page_table_make(to, l->pages, f);

	for (size_t i = 0; !r && i < l->block_count; i++) {
		const struct ram_block *b = &l->blocks[i];
		const struct ram_block *before =
			old->page_bytes == l->page_bytes ? layout_find(old, b->name) : NULL;

		if (before)
			carry_block(from, before, b, to);
	}
	return r;
}
