/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The return path: what a destination of postcopy says to its source. A message is
 *
 *	be16 type | be16 length | data
 *
 * and RECV_BITMAP is followed by be64 size, the bitmap, and an end mark, which its length does not
 * count.
 *
 * Source: QEMU migration/migration.c, source_return_path_thread(); migration/ram.c,
 * ramblock_recv_bitmap_send().
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "stream/wire.h"
#include "vmguard/stream.h"

enum { HEAD_BYTES = 4, SIZE_BYTES = 8, MARK_BYTES = 8 };

enum part { HEAD, DATA, BITMAP_SIZE, BITMAP };

struct return_path {
	struct return_path_sink *sink;
	const struct ram_layout *layout;
	const struct ram_block *block; /* of the last request, or of the bitmap that comes */
	uint64_t offset;
	int failed;

	enum part part;
	uint16_t type;
	size_t wanted, filled; /* of the part */
	uint8_t small[WIRE_RP_BYTES_MAX];
	uint8_t *bitmap; /* and its end mark */
};

struct return_path *return_path_new(const struct ram_layout *l, struct return_path_sink *sink)
{
	struct return_path *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->layout = l;
	p->sink = sink;
	p->wanted = HEAD_BYTES;
	return p;
}

void return_path_free(struct return_path *p)
{
	if (!p)
		return;
	free(p->bitmap);
	free(p);
}

static void expect(struct return_path *p, enum part part, size_t bytes)
{
	p->part = part;
	p->wanted = bytes;
	p->filled = 0;
}

/* A block's name as a length byte and letters, all of `length`. */
static int find_block(struct return_path *p, const uint8_t *name, size_t length, struct fault *f)
{
	char text[WIRE_NAME_MAX + 1];

	if (!length || name[0] != length - 1)
		return fault_set(f, -EBADMSG, "a block's name of %zu bytes", length);
	memcpy(text, name + 1, name[0]);
	text[name[0]] = '\0';
	p->block = layout_find(p->layout, text);
	return p->block ? 0 : fault_set(f, -EBADMSG, "a block \"%s\" that there is not", text);
}

static int take_request(struct return_path *p, struct fault *f)
{
	uint32_t page_bytes = p->layout->page_bytes;
	size_t least = p->type == WIRE_RP_REQ_PAGES ? 12 : 13;

	if (p->wanted < least)
		return fault_set(f, -EBADMSG, "a request of %zu bytes", p->wanted);
	uint64_t start = wire_get64(p->small);
	uint32_t bytes = wire_get32(p->small + 8);
	int r = p->type == WIRE_RP_REQ_PAGES ? 0 : find_block(p, p->small + 12, p->wanted - 12, f);
	if (r < 0)
		return r;
	if (!p->block)
		return fault_set(f, -EBADMSG, "a request for the block before, but there is none");
	if (!bytes || start % page_bytes || bytes % page_bytes ||
	    start / page_bytes >= p->block->pages ||
	    bytes / page_bytes > p->block->pages - start / page_bytes)
		return fault_set(f, -EBADMSG, "a request for %u bytes at 0x%" PRIx64 " of %s",
				 bytes, start, p->block->name);
	return p->sink->ops->request(p->sink, p->block->first_page + start / page_bytes,
				     bytes / page_bytes, f);
}

static int take_message(struct return_path *p, struct fault *f)
{
	int r = 0;

	switch (p->type) {
	case WIRE_RP_SHUT:
		if (p->wanted != 4)
			return fault_set(f, -EBADMSG, "SHUT of %zu bytes", p->wanted);
		r = p->sink->ops->shut(p->sink, wire_get32(p->small), f);
		break;
	case WIRE_RP_PONG:
		break;
	case WIRE_RP_REQ_PAGES:
	case WIRE_RP_REQ_PAGES_ID:
		r = take_request(p, f);
		break;
	case WIRE_RP_RECV_BITMAP:
		r = find_block(p, p->small, p->wanted, f);
		if (!r)
			expect(p, BITMAP_SIZE, SIZE_BYTES);
		return r;
	case WIRE_RP_RESUME_ACK:
		r = p->sink->ops->resumed(p->sink, f);
		break;
	default:
		return fault_set(f, -EOPNOTSUPP, "a message of type %u", p->type);
	}
	expect(p, HEAD, HEAD_BYTES);
	return r;
}

static int take_head(struct return_path *p, struct fault *f)
{
	uint16_t length = wire_get16(p->small + 2);

	p->type = wire_get16(p->small);
	if (length > WIRE_RP_BYTES_MAX)
		return fault_set(f, -EBADMSG, "a message of %u bytes", length);
	expect(p, DATA, length);
	return length ? 0 : take_message(p, f);
}

static int take_bitmap_size(struct return_path *p, struct fault *f)
{
	uint64_t bytes = wire_get64(p->small);
	uint64_t expected = (p->block->pages + 63) / 64 * 8;

	if (bytes != expected)
		return fault_set(f, -EBADMSG, "a bitmap of %" PRIu64 " bytes for %s, not %" PRIu64,
				 bytes, p->block->name, expected);
	p->bitmap = malloc(bytes + MARK_BYTES);
	if (!p->bitmap)
		return fault_errno(f, -ENOMEM, "read a bitmap");
	expect(p, BITMAP, bytes + MARK_BYTES);
	return 0;
}

static int take_bitmap(struct return_path *p, struct fault *f)
{
	size_t bytes = p->wanted - MARK_BYTES;
	int r = 0;

	if (wire_get64(p->bitmap + bytes) != WIRE_BITMAP_END)
		r = fault_set(f, -EBADMSG, "the bitmap of %s does not end", p->block->name);
	if (!r)
		r = p->sink->ops->received(p->sink, p->block, p->bitmap, f);
	free(p->bitmap);
	p->bitmap = NULL;
	expect(p, HEAD, HEAD_BYTES);
	return r;
}

static int take_part(struct return_path *p, struct fault *f)
{
	switch (p->part) {
	case HEAD:
		return take_head(p, f);
	case DATA:
		return take_message(p, f);
	case BITMAP_SIZE:
		return take_bitmap_size(p, f);
	default:
		return take_bitmap(p, f);
	}
}

int return_path_feed(struct return_path *p, const void *bytes, size_t length, struct fault *f)
{
	const uint8_t *next = bytes;

	while (length && !p->failed) {
		uint8_t *to = p->part == BITMAP ? p->bitmap : p->small;
		size_t n = p->wanted - p->filled;

		n = n < length ? n : length;
		memcpy(to + p->filled, next, n);
		p->filled += n;
		p->offset += n;
		next += n;
		length -= n;
		if (p->filled == p->wanted)
			p->failed = take_part(p, f);
	}
	return p->failed < 0 ? fault_wrap(f, "return path at %" PRIu64, p->offset) : 0;
}
