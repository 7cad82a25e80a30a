/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RAM layouts. Pure: no I/O. */
#include "vmguard/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int check_block(const struct ram_layout *l, const char *name, uint64_t bytes,
		       struct fault *f)
{
	size_t length = strlen(name);

	if (!length || length >= LAYOUT_NAME_BYTES)
		return fault_set(f, -EINVAL, "a RAM block's name has %zu characters", length);
	if (!bytes)
		return fault_set(f, -EINVAL, "RAM block %s is empty", name);
	if (layout_find(l, name))
		return fault_set(f, -EEXIST, "RAM block %s is named twice", name);
	/* Page numbers are 32 bits wide in the image. */
	if (bytes / l->page_bytes >= UINT32_MAX - l->pages)
		return fault_set(f, -E2BIG, "RAM block %s of %" PRIu64 " bytes is too large", name,
				 bytes);
	if (l->block_count == LAYOUT_BLOCKS_MAX)
		return fault_set(f, -E2BIG, "more than %d RAM blocks", LAYOUT_BLOCKS_MAX);
	return 0;
}

int layout_add_block(struct ram_layout *l, const char *name, uint64_t bytes, struct fault *f)
{
	int r = check_block(l, name, bytes, f);

	if (r < 0)
		return r;
	struct ram_block *blocks = realloc(l->blocks, (l->block_count + 1) * sizeof(*blocks));
	if (!blocks)
		return fault_errno(f, -ENOMEM, "add RAM block %s", name);
	l->blocks = blocks;
	struct ram_block *block = &blocks[l->block_count++];
	*block = (struct ram_block){
		.bytes = bytes,
		.first_page = l->pages,
		.pages = (bytes + l->page_bytes - 1) / l->page_bytes,
	};
	memcpy(block->name, name, strlen(name) + 1);
	l->pages += block->pages;
	return 0;
}

const struct ram_block *layout_find(const struct ram_layout *l, const char *name)
{
	for (size_t i = 0; i < l->block_count; i++)
		if (!strcmp(l->blocks[i].name, name))
			return &l->blocks[i];
	return NULL;
}

const struct ram_block *layout_block_of(const struct ram_layout *l, uint64_t page)
{
	size_t low = 0;
	size_t high = l->block_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (l->blocks[middle].first_page <= page)
			low = middle;
		else
			high = middle;
	}
	return &l->blocks[low];
}

uint64_t layout_bytes(const struct ram_layout *l)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < l->block_count; i++)
		bytes += l->blocks[i].bytes;
	return bytes;
}

int layout_copy(struct ram_layout *to, const struct ram_layout *from, struct fault *f)
{
	size_t bytes = from->block_count * sizeof(*from->blocks);

	*to = *from;
	to->blocks = malloc(bytes ? bytes : 1);
	if (!to->blocks) {
		*to = (struct ram_layout){0};
		return fault_errno(f, -ENOMEM, "copy a RAM layout");
	}
	memcpy(to->blocks, from->blocks, bytes);
	return 0;
}

void layout_clear(struct ram_layout *l)
{
	free(l->blocks);
	*l = (struct ram_layout){0};
}
