/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a superblock and as a block of each kind; then with the checksum put right, so
 * that what stands behind it is reached. A superblock that decodes must encode to one that
 * decodes to the same.
 */
#include "image/format.h"

#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint8_t copy[STORE_SEGMENT_BYTES];

static void put_crc(uint8_t *to, size_t bytes)
{
	uint32_t crc = crc32_iscsi(copy, (int)bytes, 0);

	for (int i = 0; i < 4; i++)
		to[i] = crc >> (8 * i);
}

static void try_superblock(size_t length)
{
	struct superblock s = {0};
	struct superblock again = {0};
	uint8_t bytes[SUPERBLOCK_BYTES];
	struct fault f;

	if (superblock_decode(&s, copy, length, &f) < 0)
		return;
	superblock_encode(&s, bytes);
	if (superblock_decode(&again, bytes, sizeof(bytes), &f) < 0 ||
	    memcmp(&s, &again, sizeof(s)) != 0)
		abort();
}

/* A block says itself of what checkpoint and place it is: ask for those, and for others. */
static void try_block(size_t length)
{
	struct fault f;

	for (int kind = BLOCK_MANIFEST; kind <= BLOCK_DEVICES; kind++) {
		struct block b = {.kind = (enum block_kind)kind};

		if (length >= BLOCK_HEADER_BYTES) {
			memcpy(&b.checkpoint, copy + 8, 8);
			memcpy(&b.place, copy + 16, 4);
		}
		if (!block_open(&b, copy, length, &f) &&
		    b.payload_bytes > length - BLOCK_HEADER_BYTES)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes > sizeof(copy))
		return 0;
	memcpy(copy, data, bytes);
	try_superblock(bytes);
	try_block(bytes);
	if (bytes < BLOCK_HEADER_BYTES)
		return 0;
	size_t payload = block_payload_bytes(copy);
	if (payload <= bytes - BLOCK_HEADER_BYTES) {
		memset(copy + 28, 0, 4);
		put_crc(copy + 28, BLOCK_HEADER_BYTES + payload);
		try_block(bytes);
	}
	memcpy(copy, data, bytes);
	if (bytes >= SUPERBLOCK_BYTES) {
		put_crc(copy + SUPERBLOCK_BYTES - 4, SUPERBLOCK_BYTES - 4);
		try_superblock(bytes);
	}
	return 0;
}
