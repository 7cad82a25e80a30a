/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies as libvirt 9.0 hands them on. */
#include <errno.h>
#include <stdlib.h>

#include "unit.h"
#include "vmguard/qmp.h"

static struct qmp_error error;
static struct json_object *result;

START_TEST(a_command_is_one_object)
{
	char *text = qmp_text_of_command("getfd", json_tokener_parse("{\"fdname\":\"a/b\"}"));

	ck_assert_str_eq(text, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a/b\"}}");
	free(text);
	text = qmp_text_of_command("query-status", NULL);
	ck_assert_str_eq(text, "{\"execute\":\"query-status\"}");
	free(text);
}
END_TEST

START_TEST(gives_what_the_command_returned)
{
	ck_assert_int_eq(
		qmp_text_reply("{\"return\":{\"status\":\"running\"},\"id\":\"libvirt-17\"}",
			       "query-status", &result, &error),
		0);
	ck_assert_str_eq(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN),
			 "{\"status\":\"running\"}");
	json_object_put(result);
	ck_assert_int_eq(qmp_text_reply("{\"return\":{}}", "getfd", NULL, &error), 0);
}
END_TEST

START_TEST(tells_a_refusal_in_the_words_of_qemu)
{
	static const char refusal[] =
		"{\"id\":\"libvirt-18\",\"error\":{\"class\":\"GenericError\","
		"\"desc\":\"There's a migration process in progress\"}}";

	ck_assert_int_eq(qmp_text_reply(refusal, "migrate", &result, &error), -EREMOTEIO);
	ck_assert_ptr_null(result);
	ck_assert_str_eq(error.class, "GenericError");
	ck_assert_str_eq(error.text,
			 "QEMU refused migrate: There's a migration process in progress");
}
END_TEST

START_TEST(refuses_what_is_no_reply)
{
	static const char *const bad[] = {"", "[]", "{\"retu", "{}", "7", "{\"event\":\"STOP\"}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(qmp_text_reply(bad[i], "stop", &result, &error) == -EPROTO, "%s",
			      bad[i]);
}
END_TEST

START_TEST(reads_a_version)
{
	struct json_object *version = json_tokener_parse(
		"{\"qemu\":{\"micro\":22,\"minor\":2,\"major\":7},\"package\":\"Debian\"}");
	struct json_object *none = json_tokener_parse("{\"qemu\":{\"major\":7}}");
	char text[QMP_VERSION_BYTES];

	ck_assert_int_eq(qmp_version_of(version, text, &error), 0);
	ck_assert_str_eq(text, "7.2.22");
	ck_assert_int_eq(qmp_version_of(none, text, &error), -EPROTO);
	ck_assert_int_eq(qmp_version_of(NULL, text, &error), -EPROTO);
	json_object_put(version);
	json_object_put(none);
}
END_TEST

UNIT_MAIN("qmp_text", a_command_is_one_object, gives_what_the_command_returned,
	  tells_a_refusal_in_the_words_of_qemu, refuses_what_is_no_reply, reads_a_version)
