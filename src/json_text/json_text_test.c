/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct fault fault;

static int read_text(const char *text, struct json_object **o)
{
	return json_text_read(text, strlen(text), o, &fault);
}

START_TEST(reads_an_object_and_writes_it)
{
	struct json_object *o = NULL;

	ck_assert_int_eq(read_text(" {\"name\": \"web/1\", \"at\": [1, null]}\n", &o), 0);
	ck_assert_str_eq(json_text_member(o, "name"), "web/1");
	ck_assert_ptr_null(json_text_member(o, "at"));
	ck_assert_ptr_null(json_text_member(o, "none"));
	char *text = json_text_write(o);
	ck_assert_str_eq(text, "{\"name\":\"web/1\",\"at\":[1,null]}");
	free(text);
	json_object_put(o);
}
END_TEST

START_TEST(refuses_what_is_no_object)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"1",
		"null",
		"\"a\"",
		"{} {}",
		"{}x",
		"{\"a\": 'b'}",
		"{\"a\":1,}",
		"{\"a\": \"\xff\"}",
		"{\"a\": 01}",
	};
	struct json_object *o = NULL;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_msg(read_text(wrong[i], &o) == -EBADMSG, "%s", wrong[i]);
		ck_assert_ptr_null(o);
	}
	ck_assert_int_eq(json_text_read("{}\0{}", 5, &o, &fault), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(fault.text, "NUL"));
}
END_TEST

START_TEST(refuses_what_is_nested_too_deep)
{
	char text[512] = "";
	struct json_object *o = NULL;

	for (int i = 0; i < JSON_TEXT_DEPTH + 1; i++)
		strcat(text, "{\"a\":");
	strcat(text, "1");
	for (int i = 0; i < JSON_TEXT_DEPTH + 1; i++)
		strcat(text, "}");
	ck_assert_int_eq(read_text(text, &o), -EBADMSG);
}
END_TEST

UNIT_MAIN("json_text", reads_an_object_and_writes_it, refuses_what_is_no_object,
	  refuses_what_is_nested_too_deep)
