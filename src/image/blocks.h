/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Superblock and blocks on their way from and to a store image. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "image/format.h"
#include "vmguard/image.h"

/* Writes a segment and waits for it. */
int segment_write(struct store_image *s, uint64_t segment, const void *data, size_t bytes,
		  struct fault *f);

/* Whether it is what was read that is wrong, or gone, and not the way there. */
static inline bool is_damage(int r)
{
	return r == -EBADMSG || r == -EIO || r == -ENOENT;
}

/* Says in which segment, and what it is called outside. Returns f->code. */
int fault_in_segment(struct fault *f, struct store_image *s, uint64_t segment);

int superblock_write(struct store_image *s, const struct superblock *b, struct fault *f);
int superblock_read(struct store_image *s, struct superblock *b, struct fault *f);

/* Reads the block that `b` expects; *bytes is header and payload, the caller frees it. */
int block_read(struct store_image *s, uint64_t segment, struct block *b, uint8_t **bytes,
	       struct fault *f);

/* The manifest that a superblock names. The caller clears it. */
int manifest_read(struct store_image *s, const struct superblock *b, struct manifest *m,
		  struct fault *f);
