/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The RAM layout of a guest: its RAM blocks, in the order in which QEMU names
 * them, and what else an incoming QEMU must be told before the first page.
 *
 * Pages are numbered through all blocks, in target pages:
 *
 *	block    pc.ram             pc.bios    vga.vram
 *	pages    0 … n-1            n … m-1    m … m+k-1
 *
 * so that one number names a page in the stream, in the image and in the spool.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"

enum {
	LAYOUT_NAME_BYTES = 256, /* u8 length on the wire, and the terminating NUL */
	LAYOUT_BLOCKS_MAX = 1024,
	LAYOUT_CONFIGURATION_MAX = 4096,
};

struct ram_block {
	char name[LAYOUT_NAME_BYTES];
	uint64_t bytes;	     /* used length; the last page may be a part of one */
	uint64_t first_page; /* number of the block's first page */
	uint64_t pages;
};

struct ram_layout {
	uint32_t page_bytes;		 /* target page size, a power of two */
	uint32_t ram_section_id;	 /* 2 on QEMU 7.2, 1 on 10.0; kept as recorded */
	char machine[LAYOUT_NAME_BYTES]; /* "pc-i440fx-7.2" */

	/* The CONFIGURATION section as recorded, from its type byte up to the next section. */
	uint8_t configuration[LAYOUT_CONFIGURATION_MAX];
	size_t configuration_bytes;

	struct ram_block *blocks;
	size_t block_count;
	uint64_t pages; /* of all blocks */
};

/* Appends a block. -EEXIST: a name twice; -E2BIG: too many blocks or pages; -EINVAL: empty. */
int layout_add_block(struct ram_layout *l, const char *name, uint64_t bytes, struct fault *f);

/* The block of this name, or NULL. */
const struct ram_block *layout_find(const struct ram_layout *l, const char *name);

/* The block that holds page number `page`; it must be below l->pages. */
const struct ram_block *layout_block_of(const struct ram_layout *l, uint64_t page);

/* Bytes of all blocks. */
uint64_t layout_bytes(const struct ram_layout *l);

/* A deep copy; `to` is overwritten, the caller releases it. -ENOMEM. */
int layout_copy(struct ram_layout *to, const struct ram_layout *from, struct fault *f);

/* Releases the blocks and leaves an empty layout. */
void layout_clear(struct ram_layout *l);
