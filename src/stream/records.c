/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of the RAM section: the list of blocks, pages and zero pages. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "stream/parser.h"
#include "stream/wire.h"

static uint64_t record_flags(const struct stream_parser *p)
{
	return p->record & (p->layout.page_bytes - 1);
}

static uint64_t record_offset(const struct stream_parser *p)
{
	return p->record & ~(uint64_t)(p->layout.page_bytes - 1);
}

static int record_block_list(struct stream_parser *p, struct fault *f)
{
	if (p->seen || p->layout.block_count)
		return parser_fault(p, f, -EBADMSG, "a second list of RAM blocks");
	p->blocks_left = record_offset(p);
	if (!p->blocks_left)
		return parser_fault(p, f, -EBADMSG, "an empty list of RAM blocks");
	parser_expect(p, PARSER_BLOCK_HEAD, 1);
	return 0;
}

/* The block is known: checks the page's place, and that it comes for the first time. */
static int record_place(struct stream_parser *p, struct fault *f)
{
	uint64_t offset = record_offset(p);

	if (offset >= p->block->pages * p->layout.page_bytes)
		return parser_fault(p, f, -EBADMSG,
				    "page 0x%" PRIx64 " outside of RAM block %s (0x%" PRIx64
				    " bytes)",
				    offset, p->block->name, p->block->bytes);
	uint64_t page = p->block->first_page + offset / p->layout.page_bytes;
	if (p->seen[page / 8] & (1u << (page % 8)))
		return parser_fault(p, f, -EEXIST, "page %s+0x%" PRIx64 " came twice",
				    p->block->name, offset);
	p->seen[page / 8] |= 1u << (page % 8);
	p->seen_count++;
	if (record_flags(p) & WIRE_PAGE_ZERO)
		parser_expect(p, PARSER_FILL, 1);
	else
		parser_expect(p, PARSER_PAGE, p->layout.page_bytes);
	return 0;
}

int step_record(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	p->record = wire_get64(b);
	uint64_t flags = record_flags(p);

	if (flags == WIRE_PAGE_EOS) {
		parser_expect(p, PARSER_FOOTER, 5);
		return 0;
	}
	if (flags == WIRE_PAGE_MEM_SIZE)
		return record_block_list(p, f);
	uint64_t kind = flags & ~(uint64_t)WIRE_PAGE_CONTINUE;
	if (kind != WIRE_PAGE_ZERO && kind != WIRE_PAGE_DATA)
		return parser_fault(p, f, -EOPNOTSUPP, "unknown page flags 0x%" PRIx64, flags);
	if (!p->seen)
		return parser_fault(p, f, -EBADMSG, "a page before the list of RAM blocks");
	if (!(flags & WIRE_PAGE_CONTINUE)) {
		parser_expect(p, PARSER_NAME_HEAD, 1);
		return 0;
	}
	if (!p->block)
		return parser_fault(p, f, -EBADMSG, "a page that continues no RAM block");
	return record_place(p, f);
}

int step_block_head(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	(void)f;
	parser_expect(p, PARSER_BLOCK_NAME, b[0] + 8u); /* be64 used length */
	return 0;
}

static int blocks_complete(struct stream_parser *p, struct fault *f)
{
	p->seen = calloc(1, p->layout.pages / 8 + 1);
	if (!p->seen)
		return fault_errno(f, -ENOMEM, "keep track of %" PRIu64 " pages", p->layout.pages);
	parser_expect(p, PARSER_RECORD, 8);
	return p->sink->ops->layout(p->sink, &p->layout, f);
}

int step_block_name(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	char name[WIRE_NAME_MAX + 1];
	size_t length = p->need - 8;
	uint64_t bytes = wire_get64(b + length);

	memcpy(name, b, length);
	name[length] = '\0';
	if (bytes > p->blocks_left)
		return parser_fault(p, f, -EBADMSG,
				    "RAM block %s is larger than what the list has left", name);
	int r = layout_add_block(&p->layout, name, bytes, f);
	if (r < 0) {
		fault_wrap(f, "list of RAM blocks at stream offset %" PRIu64, p->item);
		return r;
	}
	p->blocks_left -= bytes;
	if (!p->blocks_left)
		return blocks_complete(p, f);
	parser_expect(p, PARSER_BLOCK_HEAD, 1);
	return 0;
}

int step_name_head(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (!b[0])
		return parser_fault(p, f, -EBADMSG, "a page of a RAM block without name");
	parser_expect(p, PARSER_NAME, b[0]);
	return 0;
}

int step_name(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	char name[WIRE_NAME_MAX + 1];

	memcpy(name, b, p->need);
	name[p->need] = '\0';
	p->block = layout_find(&p->layout, name);
	if (!p->block)
		return parser_fault(p, f, -EBADMSG, "a page of unknown RAM block %s", name);
	return record_place(p, f);
}

static int record_done(struct stream_parser *p, const uint8_t *data, struct fault *f)
{
	uint64_t page = p->block->first_page + record_offset(p) / p->layout.page_bytes;

	parser_expect(p, PARSER_RECORD, 8);
	return p->sink->ops->page(p->sink, page, data, f);
}

int step_fill(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (b[0])
		return parser_fault(p, f, -EOPNOTSUPP, "a page filled with 0x%02x", b[0]);
	return record_done(p, NULL, f);
}

int step_page(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	return record_done(p, b, f);
}
