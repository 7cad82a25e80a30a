/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each text is fed whole and in pieces of 1, 2, 3, … bytes; all must agree, to the error. */
#include "qmp/qmp_parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/qmp_message.h"
#include "unit.h"

#define STOP_EVENT                                                                         \
	"{\"timestamp\": {\"seconds\": 1795370285, \"microseconds\": 829083}, \"event\": " \
	"\"STOP\"}\r\n"
#define RETURN_3 "{\"return\": {}, \"id\": 3}\r\n"

/* A sink that keeps what came as one text. */
struct tally {
	struct qmp_sink sink;
	int messages;
	size_t bytes;
	char text[4096];
};

static struct qmp_error error;

static int tally_take(struct qmp_sink *s, struct json_object *message, size_t bytes,
		      struct qmp_error *e)
{
	struct tally *t = (struct tally *)s;
	const char *text = json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN);

	(void)e;
	t->messages++;
	t->bytes += bytes;
	if (strlen(t->text) + strlen(text) < sizeof(t->text))
		strcat(t->text, text);
	json_object_put(message);
	return 0;
}

static int feed_in_pieces(struct tally *t, const char *text, size_t length, size_t piece)
{
	*t = (struct tally){.sink = {tally_take}};
	struct qmp_parser *p = qmp_parser_new(&t->sink);
	int r = 0;

	error.text[0] = '\0';
	for (size_t at = 0; at < length && r == 0; at += piece)
		r = qmp_parser_feed(p, text + at, length - at < piece ? length - at : piece,
				    &error);
	if (r == 0 && qmp_parser_is_inside(p))
		r = -EAGAIN;
	qmp_parser_free(p);
	return r;
}

/* Feeds whole, then in pieces of every size; returns what feeding gave. */
static int feed(struct tally *t, const char *text, size_t length)
{
	struct tally cut;
	struct qmp_error whole;
	int r = feed_in_pieces(t, text, length, length);

	whole = error;
	for (size_t piece = 1; piece < length; piece++) {
		ck_assert_int_eq(feed_in_pieces(&cut, text, length, piece), r);
		ck_assert_str_eq(cut.text, t->text);
		ck_assert_str_eq(error.text, whole.text);
	}
	return r;
}

static int refused(const char *text)
{
	struct tally t;

	return feed(&t, text, strlen(text));
}

START_TEST(cuts_two_messages_of_one_read)
{
	struct tally t;

	ck_assert_int_eq(feed(&t, STOP_EVENT RETURN_3, strlen(STOP_EVENT RETURN_3)), 0);
	ck_assert_int_eq(t.messages, 2);
	ck_assert_str_eq(t.text, "{\"timestamp\":{\"seconds\":1795370285,\"microseconds\":829083},"
				 "\"event\":\"STOP\"}{\"return\":{},\"id\":3}");
}
END_TEST

START_TEST(resumes_inside_escapes_and_numbers)
{
	struct tally t;
	const char *text = "{\"return\":{\"a\":\"\\u00e9\\ud83d\\ude00\\\\\\\"}{\","
			   "\"b\":-18446744073709,\"c\":1.25e-3,\"d\":[true,false,null]}}";

	ck_assert_int_eq(feed(&t, text, strlen(text)), 0);
	ck_assert_int_eq(t.messages, 1);
	ck_assert_uint_eq(t.bytes, strlen(text));
	ck_assert_ptr_nonnull(strstr(t.text, "\xc3\xa9\xf0\x9f\x98\x80"));
	ck_assert_ptr_nonnull(strstr(t.text, "-18446744073709"));
}
END_TEST

START_TEST(knows_when_it_ends_inside_a_message)
{
	ck_assert_int_eq(refused("{\"return\": {}, \"id\""), -EAGAIN);
	ck_assert_int_eq(refused(RETURN_3), 0);
}
END_TEST

START_TEST(refuses_what_is_no_message_and_says_where)
{
	struct tally t;

	ck_assert_int_eq(refused(RETURN_3 "QEMU 7.2.22 monitor"), -EPROTO);
	ck_assert_str_eq(error.text, "byte 0x51 at offset 25 does not begin a message");
	ck_assert_int_eq(refused("[1]"), -EPROTO);
	ck_assert_int_eq(refused("{\"return\": nonsense}"), -EPROTO);
	ck_assert_str_eq(error.text, "no JSON at offset 12: null expected");
	ck_assert_int_eq(refused("{\"return\": NULL}"), -EPROTO);
	ck_assert_int_eq(refused("{\"return\": 1,}"), -EPROTO);
	ck_assert_int_eq(feed(&t, RETURN_3 "{\"a\": \0}", 33), -EPROTO);
	ck_assert_str_eq(error.text, "byte 0x00 at offset 31 is not ASCII text");
	ck_assert_int_eq(t.messages, 1);
	ck_assert_int_eq(refused("{\"a\": \"\xc3\xa9\"}"), -EPROTO);
}
END_TEST

START_TEST(stays_broken_after_an_error)
{
	struct tally t = {.sink = {tally_take}};
	struct qmp_parser *p = qmp_parser_new(&t.sink);

	ck_assert_int_eq(qmp_parser_feed(p, "}", 1, &error), -EPROTO);
	ck_assert_int_eq(qmp_parser_feed(p, RETURN_3, strlen(RETURN_3), &error), -EPROTO);
	ck_assert_int_eq(t.messages, 0);
	qmp_parser_free(p);
}
END_TEST

/* {"a": "xxx…"} of the given size, followed by a second message. */
static int feed_long(struct tally *t, size_t bytes, size_t piece)
{
	char *text = malloc(bytes + 2);

	memset(text, 'x', bytes);
	memcpy(text, "{\"a\": \"", 7);
	memcpy(text + bytes - 2, "\"}{}", 4);
	int r = feed_in_pieces(t, text, bytes + 2, piece);
	free(text);
	return r;
}

START_TEST(takes_a_message_of_16_mib_and_no_more)
{
	struct tally t;

	ck_assert_int_eq(feed_long(&t, QMP_MESSAGE_BYTES, 64 << 10), 0);
	ck_assert_int_eq(t.messages, 2);
	ck_assert_int_eq(feed_long(&t, QMP_MESSAGE_BYTES + 1, 64 << 10), -EPROTO);
	ck_assert_str_eq(error.text, "a message before offset 16777216 is longer than 16 MiB");
	ck_assert_int_eq(feed_long(&t, QMP_MESSAGE_BYTES + 1, QMP_MESSAGE_BYTES * 2), -EPROTO);
}
END_TEST

/* Two levels for each backing file is what a long chain of snapshots looks like. */
static int feed_nested(int depth)
{
	struct tally t;
	char text[8 * QMP_MESSAGE_DEPTH] = "";
	size_t at = 0;

	for (int i = 0; i < depth; i++, at += 5)
		memcpy(text + at, "{\"a\":", 5);
	text[at++] = '1';
	memset(text + at, '}', (size_t)depth);
	return feed_in_pieces(&t, text, at + (size_t)depth, 4096);
}

START_TEST(takes_deep_nesting_and_refuses_endless_nesting)
{
	ck_assert_int_eq(feed_nested(QMP_MESSAGE_DEPTH - 1), 0);
	ck_assert_int_eq(feed_nested(QMP_MESSAGE_DEPTH + 1), -EPROTO);
}
END_TEST

static struct json_object *parse(const char *text)
{
	struct json_object *object = json_tokener_parse(text);

	ck_assert_ptr_nonnull(object);
	return object;
}

static int kind_of(const char *text, int64_t *id)
{
	struct json_object *object = parse(text);
	struct qmp_message m;
	int r = qmp_message_read(object, &m, &error);

	*id = m.id;
	json_object_put(object);
	return r < 0 ? r : (int)m.kind;
}

START_TEST(tells_the_kinds_of_message_apart)
{
	int64_t id = 0;

	ck_assert_int_eq(kind_of("{\"return\": null, \"id\": 9}", &id), QMP_RETURN);
	ck_assert_int_eq(id, 9);
	ck_assert_int_eq(kind_of("{\"return\": {}, \"id\": \"9\"}", &id), QMP_RETURN);
	ck_assert_int_eq(id, QMP_ID_FOREIGN);
	ck_assert_int_eq(kind_of("{\"error\": {}}", &id), QMP_REFUSAL);
	ck_assert_int_eq(id, QMP_ID_NONE);
	ck_assert_int_eq(kind_of(STOP_EVENT, &id), QMP_EVENT);
	ck_assert_int_eq(kind_of("{\"QMP\": {}}", &id), QMP_GREETING);
	ck_assert_int_eq(kind_of("{\"execute\": \"stop\"}", &id), -EPROTO);
	ck_assert_int_eq(kind_of("{\"error\": 1}", &id), -EPROTO);
}
END_TEST

static int64_t time_of(const char *text)
{
	struct json_object *object = parse(text);
	struct qmp_event event = {.time_us = -2};

	if (qmp_message_event(object, &event, &error) == 0)
		qmp_event_clear(&event);
	json_object_put(object);
	return event.time_us;
}

START_TEST(reads_the_stamp_of_an_event)
{
	ck_assert_int_eq(time_of(STOP_EVENT), 1795370285829083);
	ck_assert_int_eq(time_of("{\"event\": \"STOP\"}"), -1);
	ck_assert_int_eq(time_of("{\"event\": \"STOP\", \"timestamp\": "
				 "{\"seconds\": -1, \"microseconds\": -1}}"),
			 -1);
	ck_assert_int_eq(time_of("{\"event\": \"STOP\", \"timestamp\": "
				 "{\"seconds\": 9223372036854775807, \"microseconds\": 1}}"),
			 -1);
	ck_assert_int_eq(time_of("{\"event\": \"\"}"), -2);
}
END_TEST

/* From byte `from` on, in pieces: what a reader who died has left. */
static int join_in_pieces(struct tally *t, const char *text, size_t from, size_t piece)
{
	size_t length = strlen(text);
	int r = 0;

	*t = (struct tally){.sink = {tally_take}};
	struct qmp_parser *p = qmp_parser_new(&t->sink);
	qmp_parser_join(p);
	for (size_t at = from; at < length && r == 0; at += piece)
		r = qmp_parser_feed(p, text + at, length - at < piece ? length - at : piece,
				    &error);
	qmp_parser_free(p);
	return r;
}

START_TEST(joins_at_every_byte_and_loses_only_the_message_cut)
{
	static const char begun[] = "{\"return\": {\"a\": {\"return\": {}, \"id\": 3}, \"b\": "
				    "\"{\\\"event\\\": {}}\"}, "
				    "\"list\": [{}, {\"QMP\": {}}], \"id\": 2}\r\n";
	static const char text[] =
		"{\"return\": {\"a\": {\"return\": {}, \"id\": 3}, \"b\": \"{\\\"event\\\": "
		"{}}\"}, "
		"\"list\": [{}, {\"QMP\": {}}], \"id\": 2}\r\n" STOP_EVENT RETURN_3;
	struct tally t;

	for (size_t from = 0; from < sizeof(begun); from++)
		for (size_t piece = 1; piece < sizeof(text); piece++) {
			ck_assert_int_eq(join_in_pieces(&t, text, from, piece), 0);
			ck_assert_int_eq(t.messages, from ? 2 : 3);
			ck_assert_ptr_nonnull(strstr(t.text, "{\"return\":{},\"id\":3}"));
		}
}
END_TEST

START_TEST(joins_only_the_first_line)
{
	struct tally t;

	ck_assert_int_eq(join_in_pieces(&t, "rest\"}\r\n" RETURN_3 "rest\"}\r\n", 0, 1), -EPROTO);
	ck_assert_int_eq(t.messages, 1);
}
END_TEST

UNIT_MAIN("qmp_parser", joins_at_every_byte_and_loses_only_the_message_cut,
	  joins_only_the_first_line, cuts_two_messages_of_one_read,
	  resumes_inside_escapes_and_numbers, knows_when_it_ends_inside_a_message,
	  refuses_what_is_no_message_and_says_where, stays_broken_after_an_error,
	  takes_a_message_of_16_mib_and_no_more, takes_deep_nesting_and_refuses_endless_nesting,
	  tells_the_kinds_of_message_apart, reads_the_stamp_of_an_event)
