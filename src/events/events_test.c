/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/events.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "vmguard/clock.h"

enum { ROOM = 4 };

static struct fault fault;
static struct events *events;

static void begin(void)
{
	ck_assert_int_eq(events_new("host-a", ROOM, &events, &fault), 0);
}

static void end(void)
{
	events_close(events);
}

static uint64_t add(const char *sentence)
{
	struct event e;

	event_begin(&e, EVENT_CAPTURE_FAILED, "web1");
	event_say(&e, "%s", sentence);
	events_add(events, &e);
	return e.sequence;
}

static void must_follow(uint64_t sequence, const char *sentence, bool has_gap)
{
	bool gap;
	const struct event *e = events_after(events, sequence, &gap);

	ck_assert_int_eq(gap, has_gap);
	if (sentence)
		ck_assert_str_eq(e->sentence, sentence);
	else
		ck_assert_ptr_null(e);
}

START_TEST(a_follower_reads_on_from_where_it_was)
{
	begin();
	must_follow(0, NULL, false);
	ck_assert_uint_eq(events_newest(events), 0);
	uint64_t one = add("one");
	uint64_t two = add("two");
	ck_assert_uint_eq(two, one + 1);
	ck_assert_uint_eq(events_newest(events), two);
	must_follow(0, "one", false);
	must_follow(one, "two", false);
	must_follow(two, NULL, false);
	end();
}
END_TEST

START_TEST(a_follower_that_is_too_slow_is_told)
{
	begin();
	uint64_t one = add("one");
	add("two"), add("three"), add("four");
	must_follow(one, "two", false);
	add("five");
	must_follow(one, "two", false);
	uint64_t six = add("six");
	must_follow(one, "three", true);
	must_follow(0, "three", false);
	must_follow(six - 1, "six", false);
	end();
}
END_TEST

START_TEST(a_follower_of_an_earlier_daemon_is_told)
{
	begin();
	uint64_t one = add("one");
	must_follow(one - 1000, "one", true);
	must_follow(one + 1000, "one", true); /* the clock went back */
	must_follow(UINT64_MAX, "one", true);
	end();
}
END_TEST

START_TEST(numbers_rise_over_restarts_and_fit_into_json)
{
	begin();
	uint64_t before = add("one");
	end();
	sleep_us(2000);
	begin();
	uint64_t after = add("one");
	ck_assert_uint_gt(after, before);
	ck_assert_uint_lt(after, UINT64_C(1) << 53);
	end();
}
END_TEST

struct counter {
	struct event_sink sink;
	int count;
	bool leaves;
};

static void count_event(struct event_sink *sink, const struct event *e)
{
	struct counter *c = (struct counter *)sink;

	ck_assert_str_eq(e->host, "host-a");
	c->count++;
	if (c->leaves)
		events_remove_sink(events, sink);
}

START_TEST(sinks_get_each_event_and_may_leave)
{
	struct counter once = {.sink.event = count_event, .leaves = true};
	struct counter all = {.sink.event = count_event};

	begin();
	events_add_sink(events, &once.sink);
	events_add_sink(events, &all.sink);
	add("one"), add("two");
	events_remove_sink(events, &all.sink);
	add("three");
	ck_assert_int_eq(once.count, 1);
	ck_assert_int_eq(all.count, 2);
	end();
}
END_TEST

static const char *text_of(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

START_TEST(json_has_all_of_it)
{
	struct event e;

	begin();
	event_begin(&e, EVENT_CHECKPOINT_TAKEN, "web1");
	e.checkpoint = 42;
	event_number(&e, "pause_us", 12345);
	event_text(&e, "store", "rbd:vms");
	event_say(&e, "checkpoint %d of \"%s\" is there", 42, "web1");
	events_add(events, &e);
	e.time_ms = INT64_C(1700000000007);
	auto_free char *text = event_json(&e);
	struct json_object *o = json_tokener_parse(text);
	ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(o, "sequence")),
			  e.sequence);
	ck_assert_str_eq(text_of(o, "time"), "2023-11-14T22:13:20.007Z");
	ck_assert_str_eq(text_of(o, "severity"), "info");
	ck_assert_str_eq(text_of(o, "kind"), "checkpoint-taken");
	ck_assert_str_eq(text_of(o, "host"), "host-a");
	ck_assert_str_eq(text_of(o, "guest"), "web1");
	ck_assert_str_eq(text_of(o, "checkpoint"), "42");
	ck_assert_str_eq(text_of(o, "text"), "checkpoint 42 of \"web1\" is there");
	ck_assert_str_eq(text_of(o, "fields"), "{ \"pause_us\": 12345, \"store\": \"rbd:vms\" }");
	ck_assert_ptr_null(strchr(text, '\n'));
	json_object_put(o);
	end();
}
END_TEST

START_TEST(json_of_the_host_names_no_guest)
{
	struct event e;

	event_begin(&e, EVENT_DAEMON_STARTED, NULL);
	auto_free char *text = event_json(&e);
	ck_assert_ptr_null(strstr(text, "guest\""));
	ck_assert_ptr_null(strstr(text, "checkpoint\""));
}
END_TEST

START_TEST(a_line_has_the_object_first)
{
	char line[EVENT_LINE_BYTES];
	struct event e;

	event_begin(&e, EVENT_CAPTURE_FAILED, "web1");
	e.checkpoint = 42;
	event_say(&e, "the store is full");
	ck_assert_str_eq(event_line(&e, line),
			 "warning guest=web1 checkpoint=42 the store is full");
	event_begin(&e, EVENT_DAEMON_STARTED, NULL);
	event_say(&e, "protects 3 guests");
	ck_assert_str_eq(event_line(&e, line), "info protects 3 guests");
}
END_TEST

static void must_be_cleaned(const char *text, const char *clean)
{
	struct event e;

	event_begin(&e, EVENT_GUEST_DIED, NULL);
	event_say(&e, "%s", text);
	ck_assert_str_eq(e.sentence, clean);
}

START_TEST(what_is_no_utf8_is_replaced)
{
	must_be_cleaned("G\xc3\xa4ste \xe2\x82\xac \xf0\x9f\x98\x80",
			"G\xc3\xa4ste \xe2\x82\xac \xf0\x9f\x98\x80");
	must_be_cleaned("a\nb\tc\x7f", "a?b?c?");
	must_be_cleaned("\xc3", "?");
	must_be_cleaned("\xe2\x82", "??");
	must_be_cleaned("\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xff", "?? ??? ???? ?");
	must_be_cleaned("\xc3(", "?(");
}
END_TEST

START_TEST(a_sentence_that_is_cut_stays_utf8)
{
	char text[FAULT_TEXT_BYTES + 2];
	struct event e;

	memset(text, 'x', sizeof(text));
	strcpy(text + FAULT_TEXT_BYTES - 2, "\xc3\xa4");
	event_begin(&e, EVENT_GUEST_DIED, NULL);
	event_say(&e, "%s", text);
	ck_assert_str_eq(e.sentence + FAULT_TEXT_BYTES - 3, "x?");
}
END_TEST

START_TEST(kinds_have_names_and_ids_of_their_own)
{
	for (enum event_kind a = 0; a < EVENT_KINDS; a++) {
		enum event_kind found;

		ck_assert_int_eq(event_kind_find(event_kind_name(a), &found), 0);
		ck_assert_int_eq(found, a);
		ck_assert_uint_eq(strlen(event_kind_id(a)), 32);
		ck_assert_uint_eq(strspn(event_kind_id(a), "0123456789abcdef"), 32);
		for (enum event_kind b = 0; b < a; b++)
			ck_assert_str_ne(event_kind_id(a), event_kind_id(b));
	}
	enum event_kind none;
	ck_assert_int_eq(event_kind_find("lunch", &none), -ENOENT);
}
END_TEST

UNIT_MAIN("events", a_follower_reads_on_from_where_it_was, a_follower_that_is_too_slow_is_told,
	  a_follower_of_an_earlier_daemon_is_told, numbers_rise_over_restarts_and_fit_into_json,
	  sinks_get_each_event_and_may_leave, json_has_all_of_it, json_of_the_host_names_no_guest,
	  a_line_has_the_object_first, what_is_no_utf8_is_replaced,
	  a_sentence_that_is_cut_stays_utf8, kinds_have_names_and_ids_of_their_own)
