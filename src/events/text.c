/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts of events come from QEMU, libvirt and Ceph, or were cut in the middle of a character; JSON
 * and the journal want UTF-8.
 */
#include "text.h"

#include <stdint.h>

/* How many bytes the character has that begins here; 0: it is none. RFC 3629, section 4. */
static size_t character_bytes(const unsigned char *c)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char from, to;	   /* of the second */
		size_t bytes;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	if (*c < 0x80)
		return *c >= ' ' && *c != 0x7f;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (*c < forms[i].first || *c > forms[i].last)
			continue;
		if (c[1] < forms[i].from || c[1] > forms[i].to)
			return 0;
		for (size_t at = 2; at < forms[i].bytes; at++)
			if ((c[at] & 0xc0) != 0x80) /* the NUL too */
				return 0;
		return forms[i].bytes;
	}
	return 0;
}

void text_clean(char *text)
{
	unsigned char *c = (unsigned char *)text;

	while (*c) {
		size_t bytes = character_bytes(c);

		if (!bytes) {
			*c = '?';
			bytes = 1;
		}
		c += bytes;
	}
}
