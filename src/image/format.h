/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the bytes of an image mean. Integers are little-endian; every structure has a version
 * and a crc32c, and a decoder that refuses what is damaged, cut or newer.
 *
 *	superblock, segment 0, 4096 bytes
 *	     0  "VMGUARD\0"            36  u32 bytes of the manifest block
 *	     8  u32 version            40  u32 bytes of a segment
 *	    12  u32 4096               48  192 bytes: secret of the fingerprints
 *	    16  u64 epoch            4092  u32 crc32c of all before
 *	    24  u64 number
 *	    32  u32 segment of the manifest
 *
 *	block, at the start of a segment: a header of 32 bytes and its payload
 *	     0  "VMGB"                 16  u32 place in its chain, from 0
 *	     4  u16 version            20  u32 bytes of payload
 *	     6  u16 kind               24  u32 0
 *	     8  u64 checkpoint number  28  u32 crc32c of header and payload, this field as 0
 *
 *	payload of an index or delta block: entries of 24 bytes, in the order of arrival
 *	     0  u32 page number         8  fingerprint: XXH3-128 with the secret, low half first
 *	     4  u32 slot; 0: zero page
 *
 * A page is where the last delta that names it says, else where the index says, else zero.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"

enum {
	FORMAT_VERSION = 1,
	SUPERBLOCK_BYTES = 4096,
	SECRET_BYTES = 192,
	BLOCK_HEADER_BYTES = 32,
	BLOCK_PAYLOAD_MAX = STORE_SEGMENT_BYTES - BLOCK_HEADER_BYTES,
	ENTRY_BYTES = 24,
	BLOCK_ENTRIES_MAX = BLOCK_PAYLOAD_MAX / ENTRY_BYTES,
	SEGMENTS_MAX = INT32_MAX, /* 8 PiB */
};

struct superblock {
	struct checkpoint_id id;
	uint32_t manifest_segment;
	uint32_t manifest_bytes; /* header and payload */
	uint8_t secret[SECRET_BYTES];
};

enum block_kind {
	BLOCK_MANIFEST = 1,
	BLOCK_INDEX = 2,
	BLOCK_DELTA = 3,
	BLOCK_DEVICES = 4,
};

struct block {
	enum block_kind kind;
	uint64_t checkpoint;
	uint32_t place;
	uint32_t payload_bytes;
};

struct page_entry {
	uint32_t page;
	uint32_t slot;
	uint8_t hash[IMAGE_HASH_BYTES];
};

void superblock_encode(const struct superblock *s, uint8_t bytes[SUPERBLOCK_BYTES]);
/* -EBADMSG: not a superblock or damaged; -EOPNOTSUPP: a newer version. */
int superblock_decode(struct superblock *s, const uint8_t *bytes, size_t length, struct fault *f);

/* Puts the header before a payload that stands at bytes + BLOCK_HEADER_BYTES already. */
void block_seal(const struct block *b, uint8_t *bytes);
/* What the header says, before it is known to be right. */
uint32_t block_payload_bytes(const uint8_t header[BLOCK_HEADER_BYTES]);
/* *b says what is expected, its payload_bytes is filled in. Errors as for superblock_decode(). */
int block_open(struct block *b, const uint8_t *bytes, size_t length, struct fault *f);

void page_entry_encode(const struct page_entry *e, uint8_t bytes[ENTRY_BYTES]);
void page_entry_decode(struct page_entry *e, const uint8_t bytes[ENTRY_BYTES]);

/* Keyed fingerprint of a page. */
void page_hash(const uint8_t secret[SECRET_BYTES], const uint8_t *data, size_t bytes,
	       uint8_t hash[IMAGE_HASH_BYTES]);

/* image_tag(): of an image with checkpoints by its secret, else by where it will be. */
uint32_t secret_tag(const uint8_t secret[SECRET_BYTES]);
uint32_t place_tag(const char *store, const char *guest, const char *host);
