/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The section in which QEMU says whether the guest ran (migration/global_state.c):
 *
 *	04 | be32 section | 0b "globalstate" | be32 instance 0 | be32 version 1 |
 *	be32 bytes of the word with its NUL | the word, in a field of 100 bytes | 7e be32 section
 */
#include <stdbool.h>
#include <string.h>

#include "stream/wire.h"
#include "vmguard/stream.h"

static const uint8_t head[] = "\x0bglobalstate\0\0\0\0\0\0\0\1";

enum {
	HEAD_BYTES = sizeof(head) - 1,
	START_BYTES = 5, /* in front of the head */
	WORD_BYTES = 100,
	SECTION_BYTES = START_BYTES + HEAD_BYTES + 4 + WORD_BYTES + 5,
};

static bool is_section(const uint8_t *at)
{
	const uint8_t *end = at + SECTION_BYTES - 5;

	return at[0] == WIRE_SECTION_FULL && !memcmp(at + START_BYTES, head, HEAD_BYTES) &&
	       end[0] == WIRE_SECTION_FOOTER && !memcmp(at + 1, end + 1, 4);
}

bool stream_mark_running(uint8_t *devices, size_t bytes)
{
	static const char paused[] = "paused", running[] = "running";

	for (size_t at = 0; at + SECTION_BYTES <= bytes; at++) {
		uint8_t *size = devices + at + START_BYTES + HEAD_BYTES;

		if (!is_section(devices + at))
			continue;
		if (wire_get32(size) != sizeof(paused) || memcmp(size + 4, paused, sizeof(paused)))
			return false;
		wire_put32(size, sizeof(running));
		memcpy(size + 4, running, sizeof(running));
		return true;
	}
	return false;
}
