/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as the entries of an index, and of a delta on top of it: the first byte says where the
 * one ends. A table that loads must name only pages and segments that there are.
 */
#include "image/table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { PAGES = 64, INDEX = 5, DELTA = 6 };

static uint8_t segments[DELTA + 1][8192];

static int fake_read(struct store_image *image, uint64_t segment, size_t offset, void *buffer,
		     size_t bytes, struct fault *f)
{
	(void)image;
	if (segment > DELTA || offset + bytes > sizeof(segments[0]))
		return fault_set(f, -5, "beyond the end");
	memcpy(buffer, segments[segment] + offset, bytes);
	return 0;
}

static void fake_name(struct store_image *image, uint64_t segment, char name[STORE_OBJECT_BYTES])
{
	(void)image;
	(void)segment;
	name[0] = '\0';
}

static void put_block(int segment, enum block_kind kind, const uint8_t *payload, size_t bytes)
{
	struct block b = {kind, 1, 0, bytes};

	memcpy(segments[segment] + BLOCK_HEADER_BYTES, payload, bytes);
	block_seal(&b, segments[segment]);
}

static void check(const struct page_table *t)
{
	uint64_t stored = 0;

	for (uint64_t page = 0; page < t->pages; page++) {
		uint32_t segment = t->places[page].slot / (STORE_SEGMENT_BYTES / 4096);

		stored += t->places[page].slot > 0;
		if (t->places[page].slot && (segment < 1 || segment > 3))
			abort();
	}
	if (stored != t->stored)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct store_ops ops = {.read = fake_read, .object_name = fake_name};
	struct store_image image = {.ops = &ops};
	struct segment_range data_range = {1, 3}, index_range = {INDEX, 1},
			     delta_range = {DELTA, 1};
	struct entry_list delta = {1, 0, {&delta_range, 1}};
	struct manifest m = {
		.layout = {.page_bytes = 4096, .pages = PAGES},
		.data = {&data_range, 1},
		.index = {1, 0, {&index_range, 1}},
		.deltas = &delta,
		.delta_count = 1,
	};
	struct page_table table;
	struct fault f;

	if (!bytes || bytes > 4096)
		return 0;
	size_t index_bytes = data[0] * (size_t)ENTRY_BYTES;
	if (index_bytes > bytes - 1)
		index_bytes = bytes - 1;
	put_block(INDEX, BLOCK_INDEX, data + 1, index_bytes);
	put_block(DELTA, BLOCK_DELTA, data + 1 + index_bytes, bytes - 1 - index_bytes);
	/* The number of zero pages is known to the manifest alone. */
	for (m.pages_zero = 0; m.pages_zero <= PAGES; m.pages_zero++)
		if (!page_table_load(&image, &m, &table, &f)) {
			check(&table);
			page_table_clear(&table);
		}
	return 0;
}
