/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encode and decode pairs of the image's structures; see format.h. Pure. */
#include "image/format.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>
#include <xxhash.h>

static const char superblock_magic[8] = "VMGUARD";
static const char block_magic[4] = {'V', 'M', 'G', 'B'};

static void put32(uint8_t *b, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		b[i] = value >> (8 * i);
}

static void put64(uint8_t *b, uint64_t value)
{
	put32(b, value);
	put32(b + 4, value >> 32);
}

static uint32_t get32(const uint8_t *b)
{
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t get64(const uint8_t *b)
{
	return get32(b) | (uint64_t)get32(b + 4) << 32;
}

static uint32_t crc32c(const uint8_t *bytes, size_t length, uint32_t crc)
{
	return crc32_iscsi((uint8_t *)bytes, length, crc);
}

static int check_version(uint32_t version, const char *what, struct fault *f)
{
	if (version == FORMAT_VERSION)
		return 0;
	return fault_set(f, -EOPNOTSUPP,
			 "%s has format version %u, this vmguard reads %d: update vmguard", what,
			 version, FORMAT_VERSION);
}

void superblock_encode(const struct superblock *s, uint8_t bytes[SUPERBLOCK_BYTES])
{
	memset(bytes, 0, SUPERBLOCK_BYTES);
	memcpy(bytes, superblock_magic, 8);
	put32(bytes + 8, FORMAT_VERSION);
	put32(bytes + 12, SUPERBLOCK_BYTES);
	put64(bytes + 16, s->id.epoch);
	put64(bytes + 24, s->id.number);
	put32(bytes + 32, s->manifest_segment);
	put32(bytes + 36, s->manifest_bytes);
	put32(bytes + 40, STORE_SEGMENT_BYTES);
	memcpy(bytes + 48, s->secret, SECRET_BYTES);
	put32(bytes + SUPERBLOCK_BYTES - 4, crc32c(bytes, SUPERBLOCK_BYTES - 4, 0));
}

int superblock_decode(struct superblock *s, const uint8_t *bytes, size_t length, struct fault *f)
{
	if (length < SUPERBLOCK_BYTES || memcmp(bytes, superblock_magic, 8) != 0)
		return fault_set(f, -EBADMSG, "no superblock of vmguard");
	if (get32(bytes + SUPERBLOCK_BYTES - 4) != crc32c(bytes, SUPERBLOCK_BYTES - 4, 0))
		return fault_set(f, -EBADMSG, "the superblock is damaged (crc32c)");
	int r = check_version(get32(bytes + 8), "the superblock", f);
	if (r < 0)
		return r;
	if (get32(bytes + 40) != STORE_SEGMENT_BYTES)
		return fault_set(f, -EOPNOTSUPP, "segments of %u bytes", get32(bytes + 40));
	s->id.epoch = get64(bytes + 16);
	s->id.number = get64(bytes + 24);
	s->manifest_segment = get32(bytes + 32);
	s->manifest_bytes = get32(bytes + 36);
	memcpy(s->secret, bytes + 48, SECRET_BYTES);
	if (s->manifest_bytes < BLOCK_HEADER_BYTES || s->manifest_bytes > STORE_SEGMENT_BYTES)
		return fault_set(f, -EBADMSG, "a manifest of %u bytes", s->manifest_bytes);
	return 0;
}

void block_seal(const struct block *b, uint8_t *bytes)
{
	memset(bytes, 0, BLOCK_HEADER_BYTES);
	memcpy(bytes, block_magic, 4);
	bytes[4] = FORMAT_VERSION;
	bytes[6] = b->kind;
	put64(bytes + 8, b->checkpoint);
	put32(bytes + 16, b->place);
	put32(bytes + 20, b->payload_bytes);
	put32(bytes + 28, crc32c(bytes, BLOCK_HEADER_BYTES + (size_t)b->payload_bytes, 0));
}

uint32_t block_payload_bytes(const uint8_t header[BLOCK_HEADER_BYTES])
{
	return get32(header + 20);
}

static uint32_t block_crc(const uint8_t *bytes, size_t payload)
{
	uint8_t header[BLOCK_HEADER_BYTES];

	memcpy(header, bytes, sizeof(header));
	put32(header + 28, 0);
	return crc32c(bytes + BLOCK_HEADER_BYTES, payload, crc32c(header, sizeof(header), 0));
}

int block_open(struct block *b, const uint8_t *bytes, size_t length, struct fault *f)
{
	if (length < BLOCK_HEADER_BYTES || memcmp(bytes, block_magic, 4) != 0)
		return fault_set(f, -EBADMSG, "no block of vmguard");
	uint32_t payload = get32(bytes + 20);
	if (payload > length - BLOCK_HEADER_BYTES)
		return fault_set(f, -EBADMSG, "a block of %u bytes is cut at %zu", payload, length);
	if (get32(bytes + 28) != block_crc(bytes, payload))
		return fault_set(f, -EBADMSG, "a block is damaged (crc32c)");
	int r = check_version(bytes[4] | (uint32_t)bytes[5] << 8, "a block", f);
	if (r < 0)
		return r;
	if ((bytes[6] | bytes[7] << 8) != (int)b->kind || get64(bytes + 8) != b->checkpoint ||
	    get32(bytes + 16) != b->place)
		return fault_set(f, -EBADMSG, "a block of another kind, checkpoint or place");
	b->payload_bytes = payload;
	return 0;
}

void page_entry_encode(const struct page_entry *e, uint8_t bytes[ENTRY_BYTES])
{
	put32(bytes, e->page);
	put32(bytes + 4, e->slot);
	memcpy(bytes + 8, e->hash, IMAGE_HASH_BYTES);
}

void page_entry_decode(struct page_entry *e, const uint8_t bytes[ENTRY_BYTES])
{
	e->page = get32(bytes);
	e->slot = get32(bytes + 4);
	memcpy(e->hash, bytes + 8, IMAGE_HASH_BYTES);
}

void page_hash(const uint8_t secret[SECRET_BYTES], const uint8_t *data, size_t bytes,
	       uint8_t hash[IMAGE_HASH_BYTES])
{
	XXH128_hash_t h = XXH3_128bits_withSecret(data, bytes, secret, SECRET_BYTES);

	put64(hash, h.low64);
	put64(hash + 8, h.high64);
}

uint32_t secret_tag(const uint8_t secret[SECRET_BYTES])
{
	return (uint32_t)XXH3_64bits(secret, SECRET_BYTES);
}

uint32_t place_tag(const char *store, const char *guest, const char *host)
{
	uint64_t tag = XXH3_64bits(store, strlen(store));

	tag = XXH3_64bits_withSeed(guest, strlen(guest), tag);
	return (uint32_t)XXH3_64bits_withSeed(host, strlen(host), tag);
}
