/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of a commit, as encode/decode pair. Pure: no I/O. Integers are little-endian:
 *
 *	 0  "vmgtable"
 *	 8  u32 version
 *	12  u32 crc32c of all that follows
 *	16  u64 number of segments
 *	24  u64 generation, one a segment; 0: there is no such segment
 */
#include "dir_table.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <isa-l/crc.h>
#include <stdbool.h>
#include <string.h>

enum { TABLE_VERSION = 1, CRC_AT = 12, CRC_FROM = 16, HEADER_BYTES = 24 };

static const char table_magic[8] = {'v', 'm', 'g', 't', 'a', 'b', 'l', 'e'};

void dir_table_clear(struct dir_table *t)
{
	free(t->generations);
	*t = (struct dir_table){0};
}

uint64_t dir_table_get(const struct dir_table *t, uint64_t segment)
{
	return segment < t->segments ? t->generations[segment] : 0;
}

int dir_table_grow(struct dir_table *t, uint64_t segments, struct fault *f)
{
	if (segments <= t->segments)
		return 0;
	if (segments > DIR_SEGMENTS_MAX)
		return fault_set(f, -EFBIG, "an image has at most %d segments, not %" PRIu64,
				 DIR_SEGMENTS_MAX, segments);
	uint64_t *grown = realloc(t->generations, segments * sizeof(*grown));
	if (!grown)
		return fault_errno(f, -ENOMEM, "a table of %" PRIu64 " segments", segments);
	memset(grown + t->segments, 0, (segments - t->segments) * sizeof(*grown));
	t->generations = grown;
	t->segments = segments;
	return 0;
}

static uint32_t table_crc(const uint8_t *bytes, size_t length)
{
	/* ISA-L does not write to the buffer, its prototype only lacks the const. */
	return crc32_iscsi((uint8_t *)bytes + CRC_FROM, (int)(length - CRC_FROM), UINT32_MAX);
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

int dir_table_encode(const struct dir_table *t, uint8_t **bytes, size_t *length, struct fault *f)
{
	*length = HEADER_BYTES + t->segments * sizeof(uint64_t);
	*bytes = malloc(*length);
	if (!*bytes)
		return fault_errno(f, -ENOMEM, "encode a table of %" PRIu64 " segments",
				   t->segments);
	uint8_t *at = *bytes;
	memcpy(at, table_magic, sizeof(table_magic));
	at = put_u32(at + sizeof(table_magic), TABLE_VERSION);
	at = put_u32(at, 0);
	at = put_u64(at, t->segments);
	for (uint64_t i = 0; i < t->segments; i++)
		at = put_u64(at, t->generations[i]);
	put_u32(*bytes + CRC_AT, table_crc(*bytes, *length));
	return 0;
}

struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool take(struct cursor *c, void *value, size_t bytes)
{
	if (c->left < bytes)
		return false;
	memcpy(value, c->at, bytes);
	c->at += bytes;
	c->left -= bytes;
	return true;
}

static bool take_u32(struct cursor *c, uint32_t *value)
{
	bool taken = take(c, value, sizeof(*value));

	*value = taken ? le32toh(*value) : 0;
	return taken;
}

static bool take_u64(struct cursor *c, uint64_t *value)
{
	bool taken = take(c, value, sizeof(*value));

	*value = taken ? le64toh(*value) : 0;
	return taken;
}

/* Leaves the cursor at the first generation. */
static int decode_header(struct cursor *c, uint64_t *segments, struct fault *f)
{
	const struct cursor start = *c;
	char magic[sizeof(table_magic)];
	uint32_t version, crc;

	if (!take(c, magic, sizeof(magic)) || memcmp(magic, table_magic, sizeof(magic)))
		return fault_set(f, -EBADMSG, "this is no table of segments");
	if (!take_u32(c, &version) || !take_u32(c, &crc) || !take_u64(c, segments))
		return fault_set(f, -EBADMSG, "the table of segments ends in its header");
	if (version != TABLE_VERSION)
		return fault_set(f, -ENOTSUP, "version %u of the table of segments is unknown",
				 version);
	if (*segments > DIR_SEGMENTS_MAX || c->left != *segments * sizeof(uint64_t))
		return fault_set(f, -EBADMSG, "the table of segments has a wrong length");
	if (crc != table_crc(start.at, start.left))
		return fault_set(f, -EBADMSG, "the table of segments is damaged (crc32c)");
	return 0;
}

int dir_table_decode(struct dir_table *t, const uint8_t *bytes, size_t length, struct fault *f)
{
	struct cursor c = {bytes, length};
	uint64_t segments = 0;

	*t = (struct dir_table){0};
	int r = decode_header(&c, &segments, f);
	if (r == 0)
		r = dir_table_grow(t, segments, f);
	for (uint64_t i = 0; r == 0 && i < segments; i++)
		if (!take_u64(&c, &t->generations[i]))
			r = fault_set(f, -EBADMSG, "the table of segments is too short");
	if (r < 0)
		dir_table_clear(t);
	return r;
}
