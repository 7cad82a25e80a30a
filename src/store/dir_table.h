/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which file holds which segment: the content of a commit of the directory backend,
 * and in memory also the writer's head. The on-store format is in dir_table.c alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum { DIR_SEGMENTS_MAX = 1 << 24 }; /* 64 TiB of segments, a table of 128 MiB */

struct dir_table {
	uint64_t *generations; /* of segment i; 0: there is no such segment */
	uint64_t segments;
};

void dir_table_clear(struct dir_table *t);

/* The generation of a segment, 0 where there is none. */
uint64_t dir_table_get(const struct dir_table *t, uint64_t segment);

/* Makes room for `segments`. -EFBIG, -ENOMEM. */
int dir_table_grow(struct dir_table *t, uint64_t segments, struct fault *f);

/* The caller frees *bytes. -ENOMEM. */
int dir_table_encode(const struct dir_table *t, uint8_t **bytes, size_t *length, struct fault *f);

/* Overwrites *t; empty on failure. -EBADMSG: damaged, -ENOTSUP: a newer version, -ENOMEM. */
int dir_table_decode(struct dir_table *t, const uint8_t *bytes, size_t length, struct fault *f);
