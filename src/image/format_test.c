/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The encode and decode pairs: what goes in comes out, and nothing damaged does. */
#include "image/format.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#include "unit.h"

enum { PAYLOAD = 77, BLOCK = BLOCK_HEADER_BYTES + PAYLOAD };

static struct fault fault;

static void make_superblock(uint8_t bytes[SUPERBLOCK_BYTES])
{
	struct superblock s = {
		.id = {UINT64_MAX - 1, 0x0123456789abcdef},
		.manifest_segment = SEGMENTS_MAX - 1,
		.manifest_bytes = 684,
	};

	for (int i = 0; i < SECRET_BYTES; i++)
		s.secret[i] = i;
	superblock_encode(&s, bytes);
}

static const struct block a_block = {BLOCK_DELTA, UINT64_C(42) << 32, 3, PAYLOAD};

static void make_block(uint8_t bytes[BLOCK])
{
	for (int i = 0; i < PAYLOAD; i++)
		bytes[BLOCK_HEADER_BYTES + i] = i * 3;
	block_seal(&a_block, bytes);
}

static int open_block(const uint8_t *bytes, size_t length)
{
	struct block b = a_block;

	b.payload_bytes = 0;
	int r = block_open(&b, bytes, length, &fault);
	if (!r)
		ck_assert_uint_eq(b.payload_bytes, PAYLOAD);
	return r;
}

START_TEST(decodes_the_superblock_that_was_encoded)
{
	uint8_t bytes[SUPERBLOCK_BYTES];
	uint8_t again[SUPERBLOCK_BYTES];
	struct superblock s;

	make_superblock(bytes);
	ck_assert_int_eq(superblock_decode(&s, bytes, sizeof(bytes), &fault), 0);
	ck_assert_uint_eq(s.id.epoch, UINT64_MAX - 1);
	ck_assert_uint_eq(s.id.number, 0x0123456789abcdef);
	ck_assert_uint_eq(s.manifest_segment, SEGMENTS_MAX - 1);
	ck_assert_uint_eq(s.manifest_bytes, 684);
	ck_assert_uint_eq(s.secret[SECRET_BYTES - 1], SECRET_BYTES - 1);
	superblock_encode(&s, again);
	ck_assert_mem_eq(bytes, again, sizeof(bytes));
}
END_TEST

START_TEST(has_the_superblock_at_its_documented_offsets)
{
	uint8_t bytes[SUPERBLOCK_BYTES];

	make_superblock(bytes);
	ck_assert_mem_eq(bytes, "VMGUARD\0\1\0\0\0\0\x10\0\0", 16);
	ck_assert_mem_eq(bytes + 16, "\xfe\xff\xff\xff\xff\xff\xff\xff", 8);
	ck_assert_mem_eq(bytes + 24, "\xef\xcd\xab\x89\x67\x45\x23\x01", 8);
	ck_assert_mem_eq(bytes + 32, "\xfe\xff\xff\x7f\xac\x02\0\0\0\0\x40\0", 12);
	ck_assert_mem_eq(bytes + 48, "\0\1\2\3", 4);
}
END_TEST

static void put_crc(uint8_t *at, uint8_t *bytes, size_t length)
{
	uint32_t crc = crc32_iscsi(bytes, (int)length, 0);

	memcpy(at, &crc, sizeof(crc));
}

START_TEST(refuses_a_superblock_with_any_bit_flipped)
{
	uint8_t bytes[SUPERBLOCK_BYTES];
	struct superblock s;

	make_superblock(bytes);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= 1u << bit % 8;
		int r = superblock_decode(&s, bytes, sizeof(bytes), &fault);
		ck_assert_msg(r == -EBADMSG, "bit %zu: %d", bit, r);
		bytes[bit / 8] ^= 1u << bit % 8;
	}
}
END_TEST

START_TEST(refuses_a_superblock_cut_anywhere)
{
	uint8_t bytes[SUPERBLOCK_BYTES];
	struct superblock s;

	make_superblock(bytes);
	for (size_t length = 0; length < sizeof(bytes); length++)
		ck_assert_int_eq(superblock_decode(&s, bytes, length, &fault), -EBADMSG);
}
END_TEST

START_TEST(says_that_a_newer_superblock_needs_a_newer_vmguard)
{
	uint8_t bytes[SUPERBLOCK_BYTES];
	struct superblock s;

	make_superblock(bytes);
	bytes[8] = 2;
	put_crc(bytes + sizeof(bytes) - 4, bytes, sizeof(bytes) - 4);
	ck_assert_int_eq(superblock_decode(&s, bytes, sizeof(bytes), &fault), -EOPNOTSUPP);
	ck_assert_str_eq(fault.text, "the superblock has format version 2, this vmguard reads 1: "
				     "update vmguard");
}
END_TEST

START_TEST(refuses_a_superblock_whose_manifest_cannot_be)
{
	static const uint32_t sizes[] = {0, BLOCK_HEADER_BYTES - 1, STORE_SEGMENT_BYTES + 1,
					 UINT32_MAX};
	uint8_t bytes[SUPERBLOCK_BYTES];
	struct superblock s = {.id = {1, 1}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		s.manifest_bytes = sizes[i];
		superblock_encode(&s, bytes);
		ck_assert_int_eq(
			superblock_decode(&(struct superblock){0}, bytes, sizeof(bytes), &fault),
			-EBADMSG);
		ck_assert_ptr_nonnull(strstr(fault.text, "a manifest of"));
	}
}
END_TEST

START_TEST(opens_the_block_that_was_sealed)
{
	uint8_t bytes[BLOCK + 8] = {0};

	make_block(bytes);
	ck_assert_uint_eq(block_payload_bytes(bytes), PAYLOAD);
	ck_assert_int_eq(open_block(bytes, BLOCK), 0);
	ck_assert_int_eq(open_block(bytes, sizeof(bytes)), 0); /* what lies behind it is no part */
	ck_assert_mem_eq(bytes, "VMGB\1\0\3\0\0\0\0\0\x2a\0\0\0\3\0\0\0\x4d\0\0\0\0\0\0\0", 28);
}
END_TEST

START_TEST(refuses_a_block_with_any_bit_flipped)
{
	uint8_t bytes[BLOCK];

	make_block(bytes);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= 1u << bit % 8;
		int r = open_block(bytes, sizeof(bytes));
		ck_assert_msg(r == -EBADMSG, "bit %zu: %d", bit, r);
		bytes[bit / 8] ^= 1u << bit % 8;
	}
}
END_TEST

START_TEST(refuses_a_block_cut_anywhere)
{
	uint8_t bytes[BLOCK];

	make_block(bytes);
	for (size_t length = 0; length < sizeof(bytes); length++)
		ck_assert_int_eq(open_block(bytes, length), -EBADMSG);
	ck_assert_str_eq(fault.text, "a block of 77 bytes is cut at 108");
}
END_TEST

START_TEST(says_that_a_newer_block_needs_a_newer_vmguard)
{
	uint8_t bytes[BLOCK];

	make_block(bytes);
	bytes[5] = 1;
	memset(bytes + 28, 0, 4);
	put_crc(bytes + 28, bytes, BLOCK);
	ck_assert_int_eq(open_block(bytes, sizeof(bytes)), -EOPNOTSUPP);
	ck_assert_str_eq(fault.text, "a block has format version 257, this vmguard reads 1: "
				     "update vmguard");
}
END_TEST

START_TEST(refuses_a_whole_block_in_another_ones_place)
{
	static const struct block others[] = {
		{BLOCK_INDEX, UINT64_C(42) << 32, 3, PAYLOAD},
		{BLOCK_DELTA, 42, 3, PAYLOAD},
		{BLOCK_DELTA, UINT64_C(42) << 32, 4, PAYLOAD},
	};
	uint8_t bytes[BLOCK];

	make_block(bytes);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		block_seal(&others[i], bytes);
		ck_assert_int_eq(open_block(bytes, sizeof(bytes)), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(fault.text, "another kind, checkpoint or place"));
	}
}
END_TEST

START_TEST(decodes_the_page_entry_that_was_encoded)
{
	struct page_entry e = {0xfffffffe, 0x80000001, {0}};
	struct page_entry again;
	uint8_t bytes[ENTRY_BYTES];

	memset(e.hash, 0xa5, sizeof(e.hash));
	page_entry_encode(&e, bytes);
	page_entry_decode(&again, bytes);
	ck_assert_uint_eq(again.page, e.page);
	ck_assert_uint_eq(again.slot, e.slot);
	ck_assert_mem_eq(again.hash, e.hash, sizeof(e.hash));
	ck_assert_mem_eq(bytes, "\xfe\xff\xff\xff\1\0\0\x80\xa5", 9);
}
END_TEST

START_TEST(gives_each_page_and_each_secret_its_own_fingerprint)
{
	static uint8_t page[4096];
	uint8_t secret[SECRET_BYTES];
	uint8_t first[IMAGE_HASH_BYTES], other[IMAGE_HASH_BYTES];

	for (int i = 0; i < SECRET_BYTES; i++)
		secret[i] = i * i + 37 * i + 11;
	page_hash(secret, page, sizeof(page), first);
	page_hash(secret, page, sizeof(page), other);
	ck_assert_mem_eq(first, other, sizeof(first));
	for (size_t bit = 0; bit < 8 * sizeof(page); bit += 61) {
		page[bit / 8] ^= 1u << bit % 8;
		page_hash(secret, page, sizeof(page), other);
		ck_assert_mem_ne(first, other, sizeof(first));
		page[bit / 8] ^= 1u << bit % 8;
	}
	secret[100] ^= 1;
	page_hash(secret, page, sizeof(page), other);
	ck_assert_mem_ne(first, other, sizeof(first));
}
END_TEST

UNIT_MAIN("format", decodes_the_superblock_that_was_encoded,
	  has_the_superblock_at_its_documented_offsets, refuses_a_superblock_with_any_bit_flipped,
	  refuses_a_superblock_cut_anywhere, says_that_a_newer_superblock_needs_a_newer_vmguard,
	  refuses_a_superblock_whose_manifest_cannot_be, opens_the_block_that_was_sealed,
	  refuses_a_block_with_any_bit_flipped, refuses_a_block_cut_anywhere,
	  says_that_a_newer_block_needs_a_newer_vmguard,
	  refuses_a_whole_block_in_another_ones_place, decodes_the_page_entry_that_was_encoded,
	  gives_each_page_and_each_secret_its_own_fingerprint)
