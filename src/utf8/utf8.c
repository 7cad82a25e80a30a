/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/utf8.h"

size_t utf8_character(const char *text)
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
	const unsigned char *c = (const unsigned char *)text;

	if (*c < 0x80)
		return *c ? 1 : 0;
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

/* U+0080 to U+009F are control characters too. */
static bool is_control(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	return *c < ' ' || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0);
}

bool utf8_is_printable(const char *text)
{
	while (*text) {
		size_t bytes = utf8_character(text);

		if (!bytes || is_control(text))
			return false;
		text += bytes;
	}
	return true;
}

void utf8_clean(char *text)
{
	while (*text) {
		size_t bytes = utf8_character(text);

		if (!bytes || is_control(text)) {
			for (size_t i = 0; i < (bytes ? bytes : 1); i++)
				text[i] = '?';
		}
		text += bytes ? bytes : 1;
	}
}
