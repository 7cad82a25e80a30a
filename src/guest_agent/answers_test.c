/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_agent/answers.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

enum { ID = 4711 };

static struct fault fault;
static struct agent_answers answers;

/* Whole, and byte by byte. */
static int feed(const char *text, size_t piece)
{
	size_t length = strlen(text);
	int r = 0;

	agent_answers_resync(&answers, ID);
	for (size_t at = 0; !r && at < length; at += piece)
		r = agent_answers_feed(&answers, text + at,
				       length - at < piece ? length - at : piece, &fault);
	return r;
}

static void comes_into_step(const char *text, bool expected)
{
	for (size_t piece = 1; piece < 40; piece++) {
		ck_assert_int_eq(feed(text, piece), 0);
		struct json_object *answer = agent_answers_take(&answers);
		ck_assert_int_eq(answer != NULL, expected);
		ck_assert_int_eq(answers.sync_id == 0, expected);
		json_object_put(answer);
		agent_answers_clear(&answers);
	}
}

START_TEST(skips_all_before_its_own_number)
{
	comes_into_step("\xff{\"return\": 4711}\n", true);
	comes_into_step("garbage {\xff{\"return\": 4711}\n", true);
	comes_into_step("{\"return\": 1}\xff{\"return\": 2}\n\xff{\"return\": 4711}\n", true);
	comes_into_step("\xffgarbage\xff{\"return\"\xff{\"return\": 4711}", true);
	comes_into_step("\xff{\"error\": {}} {\"return\": {}} {\"return\": 4711}", true);
}
END_TEST

START_TEST(is_not_in_step_without_sentinel_or_number)
{
	comes_into_step("{\"return\": 4711}\n", false);
	comes_into_step("\xff{\"return\": 4712}\n", false);
	comes_into_step("\xff{\"return\": \"4711\"}\n", false);
	comes_into_step("\xffx{\"return\": 4711}\n", false);
	comes_into_step("\xff{\"return\": 4711", false);
}
END_TEST

START_TEST(refuses_garbage_once_it_is_in_step)
{
	ck_assert_int_eq(feed("\xff{\"return\": 4711} sorry?", 1), -EPROTO);
	agent_answers_clear(&answers);
}
END_TEST

START_TEST(keeps_the_first_answer_and_drops_the_rest)
{
	ck_assert_int_eq(feed("\xff{\"return\": 4711}", 1), 0);
	json_object_put(agent_answers_take(&answers));
	const char *text = "{\"return\": 1} {\"return\": 2}";
	ck_assert_int_eq(agent_answers_feed(&answers, text, strlen(text), &fault), 0);
	struct json_object *answer = agent_answers_take(&answers);
	ck_assert_str_eq(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN),
			 "{\"return\":1}");
	json_object_put(answer);
	ck_assert_ptr_null(agent_answers_take(&answers));
	agent_answers_clear(&answers);
}
END_TEST

static int read_answer(const char *text)
{
	struct json_object *answer = json_tokener_parse(text);
	int r = agent_answer_read(answer, "guest-x", &fault);

	json_object_put(answer);
	return r;
}

START_TEST(reads_what_an_answer_says)
{
	ck_assert_int_eq(read_answer("{\"return\": {}}"), 0);
	ck_assert_int_eq(read_answer("{\"error\": {\"desc\": \"no\"}}"), -EREMOTEIO);
	ck_assert_str_eq(fault.text, "the guest agent refused guest-x: no");
	ck_assert_int_eq(read_answer("{\"error\": 5}"), -EREMOTEIO);
	ck_assert_int_eq(read_answer("{\"error\": {\"desc\": [1]}}"), -EREMOTEIO);
	ck_assert_int_eq(read_answer("{}"), -EPROTO);
}
END_TEST

UNIT_MAIN("guest_agent/answers", skips_all_before_its_own_number,
	  is_not_in_step_without_sentinel_or_number, refuses_garbage_once_it_is_in_step,
	  keeps_the_first_answer_and_drops_the_rest, reads_what_an_answer_says)
