/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/sse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static char seen[4096]; /* "id|kind|data" and a ; each */
static int answer;	/* of the reader */

static int note(void *context, const struct client_event *e)
{
	size_t used = strlen(seen);

	ck_assert_ptr_eq(context, seen);
	snprintf(seen + used, sizeof(seen) - used, "%s|%s|%s;", e->id, e->kind, e->data);
	return answer;
}

static int feed(const char *bytes, size_t count, size_t piece)
{
	struct sse s = {.event = note, .context = seen};
	int r = 0;

	*seen = 0;
	for (size_t at = 0; at < count && r == 0; at += piece)
		r = sse_feed(&s, bytes + at, count - at < piece ? count - at : piece);
	sse_close(&s);
	return r;
}

/* Whole, and one byte at a time. */
static void must_see_bytes(const char *bytes, size_t count, const char *events)
{
	static const size_t pieces[] = {4096, 1, 3};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		ck_assert_int_eq(feed(bytes, count, pieces[i]), 0);
		ck_assert_str_eq(seen, events);
	}
}

static void must_see(const char *bytes, const char *events)
{
	must_see_bytes(bytes, strlen(bytes), events);
}

START_TEST(events_are_cut_at_empty_lines)
{
	must_see("id: 42\nevent: checkpoint-taken\ndata: {\"a\":1}\n\n"
		 "id: 43\nevent: gap\ndata: {}\n\n",
		 "42|checkpoint-taken|{\"a\":1};43|gap|{};");
	must_see("data: two\ndata: lines\ndata: \n\n", "|message|two\nlines\n;");
	must_see("data:  one space goes\n\ndata:none\n\ndata\n\n",
		 "|message| one space goes;|message|none;|message|;");
}
END_TEST

START_TEST(an_id_stays_until_the_next_one)
{
	must_see("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n",
		 "1|message|a;1|message|b;2|message|c;|message|d;");
}
END_TEST

START_TEST(a_kind_does_not_stay)
{
	must_see("event: x\ndata: a\n\nevent: y\n\ndata: b\n\n", "|x|a;|message|b;");
}
END_TEST

START_TEST(each_end_of_a_line_is_one)
{
	must_see("data: a\r\rdata: b\r\n\r\ndata: c\n\ndata: d\r\n\ndata: e\n\r\n",
		 "|message|a;|message|b;|message|c;|message|d;|message|e;");
}
END_TEST

START_TEST(comments_and_unknown_names_are_passed_over)
{
	must_see(":\n\n: x\ndata: a\nretry: 10\nfuture: 1\ndatax: 1\n:data: no\n\n", "|message|a;");
}
END_TEST

START_TEST(what_has_no_end_is_no_event)
{
	must_see("data: a\n\ndata: b\n", "|message|a;");
	must_see("data: a\n\ndata: b", "|message|a;");
}
END_TEST

START_TEST(a_byte_order_mark_is_only_at_the_start)
{
	must_see("\xef\xbb\xbf"
		 "data: a\n\n\xef\xbb\xbf"
		 "data: b\n\n",
		 "|message|a;");
	must_see("\xef\xbb\xbf\ndata: a\n\n", "|message|a;");
}
END_TEST

START_TEST(a_nul_is_in_no_name_and_no_id)
{
	static const char bytes[] = "id: 1\nid: 2\0003\nda\0ta: x\ndata\0: x\ndata: a\n\n";

	must_see_bytes(bytes, sizeof(bytes) - 1, "1|message|a;");
}
END_TEST

START_TEST(a_reader_may_have_enough)
{
	answer = 7;
	ck_assert_int_eq(feed("data: a\n\ndata: b\n\n", 18, 18), 7);
	ck_assert_str_eq(seen, "|message|a;");
	answer = 0;
}
END_TEST

static void must_be_too_long(const char *start, size_t bytes)
{
	char *text = malloc(bytes);

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', bytes);
	memcpy(text, start, strlen(start));
	text[bytes - 1] = '\n';
	ck_assert_int_eq(feed(text, bytes, 1 << 16), -EMSGSIZE);
	free(text);
}

START_TEST(what_is_too_long_is_an_error)
{
	must_be_too_long("id: ", SSE_ID_BYTES + 5);
	must_be_too_long("event: ", SSE_KIND_BYTES + 8);
	must_be_too_long("data: ", CLIENT_EVENT_BYTES + 2);
	must_be_too_long(":", CLIENT_EVENT_BYTES + 2);
}
END_TEST

START_TEST(lines_of_data_are_limited_together)
{
	static char line[(1 << 16) + 1] = "data: ";
	struct sse s = {.event = note, .context = seen};
	int r = 0, lines = 0;

	memset(line + 6, 'x', sizeof(line) - 7);
	line[sizeof(line) - 1] = '\n';
	for (; r == 0 && lines < 100; lines++)
		r = sse_feed(&s, line, sizeof(line));
	ck_assert_int_eq(r, -EMSGSIZE);
	ck_assert_int_eq(lines, 17);
	sse_close(&s);
}
END_TEST

UNIT_MAIN("client/sse", events_are_cut_at_empty_lines, an_id_stays_until_the_next_one,
	  a_kind_does_not_stay, each_end_of_a_line_is_one,
	  comments_and_unknown_names_are_passed_over, what_has_no_end_is_no_event,
	  a_byte_order_mark_is_only_at_the_start, a_nul_is_in_no_name_and_no_id,
	  a_reader_may_have_enough, what_is_too_long_is_an_error,
	  lines_of_data_are_limited_together)
