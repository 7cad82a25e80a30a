/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device tail. Device sections carry no length, so where they end is found backwards
 * from the end of the stream:
 *
 *	04 device … 04 device … | 00 EOF | 06 be32 length | { VM description as JSON }
 *
 * The JSON has no NUL byte, so the last place that looks like `00 06 length {` with the
 * length of what follows is the one. A stream without VM description is refused: nothing
 * else would show that it was cut.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "stream/parser.h"
#include "stream/wire.h"

enum {
	TAIL_BYTES_FIRST = 1 << 20,
	TAIL_END_BYTES = 6, /* EOF, VMDESCRIPTION, be32 length */
	DESCRIPTION_DEPTH = 128,
};

static int tail_grow(struct stream_parser *p, size_t room, struct fault *f)
{
	size_t next = p->tail.room ? p->tail.room : TAIL_BYTES_FIRST;

	while (next < room)
		next *= 2;
	uint8_t *bytes = realloc(p->tail.bytes, next);
	if (!bytes)
		return fault_errno(f, -ENOMEM, "keep %zu bytes of device state", room);
	p->tail.bytes = bytes;
	p->tail.room = next;
	return 0;
}

int tail_append(struct stream_parser *p, const uint8_t *bytes, size_t length, struct fault *f)
{
	size_t room = p->tail.used + length;

	p->item = p->offset;
	if (room > STREAM_DEVICES_MAX)
		return parser_fault(p, f, -EFBIG, "more than %d MiB of device state",
				    STREAM_DEVICES_MAX >> 20);
	if (room > p->tail.room) {
		int r = tail_grow(p, room, f);

		if (r < 0)
			return r;
	}
	memcpy(p->tail.bytes + p->tail.used, bytes, length);
	p->tail.used = room;
	p->offset += length;
	return 0;
}

/* The VM description is whole, and names the page size that the pages were read with. */
static int check_description(struct stream_parser *p, const uint8_t *text, size_t length,
			     struct fault *f)
{
	struct json_tokener *tokener = json_tokener_new_ex(DESCRIPTION_DEPTH);
	struct json_object *page_size = NULL;
	int r = 0;

	if (!tokener)
		return fault_errno(f, -ENOMEM, "read the VM description");
	struct json_object *root = json_tokener_parse_ex(tokener, (const char *)text, length);
	if (!root || !json_object_object_get_ex(root, "page_size", &page_size))
		r = parser_fault(p, f, -EBADMSG, "the VM description is damaged");
	else if (json_object_get_int64(page_size) != p->layout.page_bytes)
		r = parser_fault(p, f, -EBADMSG,
				 "the VM description says pages of %lld bytes, the stream says %u",
				 (long long)json_object_get_int64(page_size), p->layout.page_bytes);
	json_object_put(root);
	json_tokener_free(tokener);
	return r;
}

static bool ends_here(const uint8_t *tail, size_t used, size_t brace)
{
	return tail[brace] == '{' && tail[brace - 5] == WIRE_VMDESCRIPTION &&
	       tail[brace - 6] == WIRE_EOF && wire_get32(tail + brace - 4) == used - brace;
}

int tail_find_end(struct stream_parser *p, size_t *devices, struct fault *f)
{
	for (size_t brace = p->tail.used; brace-- > TAIL_END_BYTES;) {
		if (!ends_here(p->tail.bytes, p->tail.used, brace))
			continue;
		*devices = brace - TAIL_END_BYTES;
		return check_description(p, p->tail.bytes + brace, p->tail.used - brace, f);
	}
	return parser_fault(p, f, -ENODATA,
			    "the stream ends in the middle of the device state, or has no VM "
			    "description (suppress-vmdesc=on is not supported)");
}
