/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/utf8.h"

#include <string.h>

#include "unit.h"

static const struct {
	const char *text, *clean;
} texts[] = {
	{"", ""},
	{"web1", "web1"},
	{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7"},
	{"line\nline\t\x7f\x1b[31m", "line?line???[31m"},
	{"next\xc2\x85line", "next??line"},
	{"\xff\xfe", "??"},
	{"cut \xe2\x82", "cut ??"},
	{"cut \xf0\x9f\x90", "cut ???"},
	{"long \xc0\x80", "long ??"},
	{"half \xed\xa0\x80", "half ???"},
	{"far \xf4\x90\x80\x80", "far ????"},
};

START_TEST(cleans_what_is_no_text)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[64];

		strcpy(text, texts[i].text);
		utf8_clean(text);
		ck_assert_str_eq(text, texts[i].clean);
		ck_assert(utf8_is_printable(text));
		ck_assert_int_eq(utf8_is_printable(texts[i].text), !strcmp(text, texts[i].text));
	}
}
END_TEST

START_TEST(a_character_ends_with_its_text)
{
	ck_assert_uint_eq(utf8_character(""), 0);
	ck_assert_uint_eq(utf8_character("\n"), 1);
	ck_assert_uint_eq(utf8_character("\xe2\x82\xac"), 3);
	ck_assert_uint_eq(utf8_character("\xe2\x82"), 0);
}
END_TEST

UNIT_MAIN("utf8", cleans_what_is_no_text, a_character_ends_with_its_text)
