/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stream parser, a state machine that asks for a number of bytes and is called with
 * exactly those:
 *
 *	state        needs            leads to
 *	HEADER       8                SECTION
 *	SECTION      1, its type      CONFIG_…, SUB_…, START_…, PART, TAIL
 *	CONFIG_SIZE  4 -> CONFIG_NAME        SECTION
 *	SUB_HEAD     1 -> SUB_NAME -> SUB_…  SECTION
 *	START_HEAD   5 -> START_NAME         RECORD
 *	PART         4, the section id       RECORD
 *	RECORD       8, offset and flags     BLOCK_…, NAME_…, FILL, PAGE, FOOTER
 *	FOOTER       5                SECTION
 *	TAIL         everything up to the end (tail.c)
 *
 * Bytes that lie whole in the caller's buffer are used where they are (so pages are not
 * copied); only what a chunk's end cuts in two is put together in `partial`.
 */
#include "stream/parser.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stream/wire.h"
#include "vmguard/stream.h"

int parser_fault(struct stream_parser *p, struct fault *f, int code, const char *format, ...)
{
	char what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	return fault_set(f, code, "%s at stream offset %" PRIu64, what, p->item);
}

void parser_expect(struct stream_parser *p, enum parser_state state, size_t need)
{
	p->state = state;
	p->need = need;
}

struct stream_parser *stream_parser_new(struct stream_sink *sink)
{
	struct stream_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sink = sink;
	p->layout.page_bytes = 1u << WIRE_PAGE_BITS_DEFAULT;
	p->partial_bytes = p->layout.page_bytes; /* names are shorter */
	p->partial = malloc(p->partial_bytes);
	if (!p->partial) {
		free(p);
		return NULL;
	}
	parser_expect(p, PARSER_HEADER, 8);
	return p;
}

void stream_parser_free(struct stream_parser *p)
{
	if (!p)
		return;
	layout_clear(&p->layout);
	free(p->partial);
	free(p->seen);
	free(p->tail.bytes);
	free(p);
}

uint64_t stream_offset(const struct stream_parser *p)
{
	return p->offset;
}

/* Gives the next `need` bytes as one piece, or NULL while they are not all here. */
static const uint8_t *take(struct stream_parser *p, const uint8_t **bytes, size_t *length)
{
	const uint8_t *whole = *bytes;

	if (!p->have && *length >= p->need) {
		*bytes += p->need;
		*length -= p->need;
		p->offset += p->need;
		return whole;
	}
	size_t missing = p->need - p->have;
	size_t n = *length < missing ? *length : missing;
	memcpy(p->partial + p->have, *bytes, n);
	p->have += n;
	p->offset += n;
	*bytes += n;
	*length -= n;
	if (p->have < p->need)
		return NULL;
	p->have = 0;
	return p->partial;
}

int stream_feed(struct stream_parser *p, const void *bytes, size_t length, struct fault *f)
{
	const uint8_t *next = bytes;

	if (p->broken)
		return fault_set(f, -EBADMSG, "the stream was malformed before");
	while (length) {
		if (p->state == PARSER_TAIL) {
			int r = tail_append(p, next, length, f);

			p->broken = r < 0;
			return r;
		}
		const uint8_t *item = take(p, &next, &length);
		if (!item)
			return 0;
		p->item = p->offset - p->need;
		int r = parser_steps[p->state].step(p, item, f);
		if (r < 0) {
			p->broken = true;
			return r;
		}
	}
	return 0;
}

static int check_complete(struct stream_parser *p, struct fault *f)
{
	if (p->seen_count == p->layout.pages)
		return 0;
	for (uint64_t page = 0; page < p->layout.pages; page++) {
		if (p->seen[page / 8] & (1u << (page % 8)))
			continue;
		const struct ram_block *block = layout_block_of(&p->layout, page);

		return fault_set(f, -ENODATA,
				 "%" PRIu64 " of %" PRIu64
				 " pages are missing from the stream, the "
				 "first is %s+0x%" PRIx64,
				 p->layout.pages - p->seen_count, p->layout.pages, block->name,
				 (page - block->first_page) * p->layout.page_bytes);
	}
	return fault_set(f, -ENODATA, "pages are missing from the stream");
}

int stream_finish(struct stream_parser *p, struct fault *f)
{
	size_t devices;

	if (p->broken)
		return fault_set(f, -EBADMSG, "the stream was malformed before");
	p->item = p->offset;
	if (p->state != PARSER_TAIL)
		return parser_fault(p, f, -ENODATA, "the stream ends in the middle (%s)",
				    parser_steps[p->state].what);
	int r = tail_find_end(p, &devices, f);
	if (r < 0)
		return r;
	r = check_complete(p, f);
	if (r < 0)
		return r;
	return p->sink->ops->devices(p->sink, p->tail.bytes, devices, f);
}
