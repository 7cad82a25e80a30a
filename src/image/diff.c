/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed between two checkpoints, told by the fingerprints: no page is read. */
#include <errno.h>
#include <string.h>

#include "image/checkpoint.h"

static bool is_same(const struct page_place *a, const struct page_place *b)
{
	if (!a->slot || !b->slot)
		return a->slot == b->slot;
	return !memcmp(a->hash, b->hash, sizeof(a->hash));
}

/* `old` is NULL where only one has the block. */
static uint64_t count_changes(const struct checkpoint *older, const struct ram_block *old,
			      const struct checkpoint *newer, const struct ram_block *b)
{
	uint64_t common = !old ? 0 : old->pages < b->pages ? old->pages : b->pages;
	uint64_t changed = b->pages - common;

	for (uint64_t i = 0; i < common; i++)
		changed += !is_same(&older->table.places[old->first_page + i],
				    &newer->table.places[b->first_page + i]);
	return changed;
}

static struct block_difference difference(const struct ram_block *b, uint64_t changed,
					  uint32_t page_bytes)
{
	return (struct block_difference){
		.block = b->name,
		.pages = b->pages,
		.pages_changed = changed,
		.bytes_changed = changed * page_bytes,
	};
}

static int each_difference(struct checkpoint *older, struct checkpoint *newer,
			   int (*each)(void *context, const struct block_difference *d),
			   void *context)
{
	const struct ram_layout *old = &older->manifest.layout;
	const struct ram_layout *l = &newer->manifest.layout;
	bool alike = old->page_bytes == l->page_bytes;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < l->block_count; i++) {
		const struct ram_block *b = &l->blocks[i];
		const struct ram_block *before = alike ? layout_find(old, b->name) : NULL;
		uint64_t changed = count_changes(older, before, newer, b);
		struct block_difference d = difference(b, changed, l->page_bytes);

		r = each(context, &d);
	}
	for (size_t i = 0; r >= 0 && i < old->block_count; i++) {
		const struct ram_block *b = &old->blocks[i];
		struct block_difference d = difference(b, b->pages, old->page_bytes);

		if (!layout_find(l, b->name))
			r = each(context, &d);
	}
	return r;
}

int checkpoint_diff(struct checkpoint *older, struct checkpoint *newer,
		    int (*each)(void *context, const struct block_difference *d), void *context,
		    struct fault *f)
{
	if (memcmp(older->superblock.secret, newer->superblock.secret, SECRET_BYTES))
		return fault_set(f, -EOPNOTSUPP,
				 "the two are of different images, their fingerprints cannot be "
				 "compared");
	int r = checkpoint_load(older, f);
	if (!r)
		r = checkpoint_load(newer, f);
	if (r < 0)
		return r;
	r = each_difference(older, newer, each, context);
	return r < 0 ? fault_errno(f, r, "compare two checkpoints") : 0;
}
