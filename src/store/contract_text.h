/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of the contract that is about texts. contract.h reads it. */
#pragma once

#include "contract_calls.h"

enum { TEXT_GUESTS = 600, TEXT_THREADS = 4, TEXT_ROUNDS = 25 };

static inline char *text_of(struct store *s, const char *guest)
{
	char *text;

	ck_assert_msg(store_text_read(s, "test", guest, &text, &fault) == 0, "%s", fault.text);
	return text;
}

static inline void text_must_be(struct store *s, const char *guest, const char *expected)
{
	auto_free char *text = text_of(s, guest);

	if (expected)
		ck_assert_str_eq(text, expected);
	else
		ck_assert_ptr_null(text);
}

static int forget_text(void *store, const char *guest, const char *text)
{
	return store_text_swap(store, "test", guest, text, NULL, &fault);
}

static inline void forget_texts(struct store *s)
{
	ck_assert_msg(store_texts(s, "test", forget_text, s, &fault) == 0, "%s", fault.text);
}

static inline struct store *store_without_texts(void)
{
	struct store *s = contract_store();

	forget_texts(s);
	return s;
}

START_TEST(swaps_a_text_only_for_the_one_it_should_be)
{
	auto_of(store_close) struct store *s = store_without_texts();

	text_must_be(s, "web", NULL);
	ck_assert_int_eq(store_text_swap(s, "test", "web", "one", "two", &fault), -ESTALE);
	text_must_be(s, "web", NULL);
	ck_assert_msg(store_text_swap(s, "test", "web", NULL, "one", &fault) == 0, "%s",
		      fault.text);
	text_must_be(s, "web", "one");
	ck_assert_int_eq(store_text_swap(s, "test", "web", NULL, "two", &fault), -ESTALE);
	ck_assert_msg(strstr(fault.text, "test of web"), "%s", fault.text);
	ck_assert_int_eq(store_text_swap(s, "test", "web", "on", "two", &fault), -ESTALE);
	ck_assert_int_eq(store_text_swap(s, "test", "web", "one", "two", &fault), 0);
	text_must_be(s, "web", "two");
	text_must_be(s, "db", NULL);
	ck_assert_int_eq(store_text_swap(s, "test", "web", "one", NULL, &fault), -ESTALE);
	ck_assert_int_eq(store_text_swap(s, "test", "web", "two", NULL, &fault), 0);
	text_must_be(s, "web", NULL);
}
END_TEST

START_TEST(takes_the_longest_text_and_none_that_is_longer)
{
	auto_of(store_close) struct store *s = store_without_texts();
	auto_free char *longest = calloc(1, STORE_TEXT_BYTES_MAX + 2);

	memset(longest, 'x', STORE_TEXT_BYTES_MAX);
	ck_assert_msg(store_text_swap(s, "test", "web", NULL, longest, &fault) == 0, "%s",
		      fault.text);
	text_must_be(s, "web", longest);
	longest[STORE_TEXT_BYTES_MAX] = 'x';
	ck_assert_int_eq(store_text_swap(s, "test", "db", NULL, longest, &fault), -EINVAL);
	ck_assert_int_eq(store_text_swap(s, "test", "db", NULL, "", &fault), -EINVAL);
	ck_assert_int_eq(store_text_swap(s, "test", "../db", NULL, "one", &fault), -EINVAL);
	ck_assert_int_eq(store_text_swap(s, "test", ".lock", NULL, "one", &fault), -EINVAL);
	text_must_be(s, "db", NULL);
	forget_texts(s);
}
END_TEST

static int count_text(void *count, const char *guest, const char *text)
{
	(void)guest;
	ck_assert_str_eq(text, "a text");
	++*(int *)count;
	return 0;
}

START_TEST(lists_many_texts_and_no_other_kind)
{
	auto_of(store_close) struct store *s = store_without_texts();
	int count = 0;

	for (int i = 0; i < TEXT_GUESTS; i++) {
		char guest[STORE_NAME_BYTES];

		snprintf(guest, sizeof(guest), "guest-%d", i);
		ck_assert_int_eq(store_text_swap(s, "test", guest, NULL, "a text", &fault), 0);
	}
	ck_assert_int_eq(store_texts(s, "test", count_text, &count, &fault), 0);
	ck_assert_int_eq(count, TEXT_GUESTS);
	ck_assert_int_eq(store_texts(s, "other", count_text, &count, &fault), 0);
	ck_assert_int_eq(count, TEXT_GUESTS);
	forget_texts(s);
}
END_TEST

static void *count_up(void *store)
{
	struct store *s = store;
	struct fault f;

	for (int done = 0; done < TEXT_ROUNDS;) {
		auto_free char *old = NULL;
		char text[16];

		if (store_text_read(s, "test", "counter", &old, &f) < 0)
			return f.text[0] ? store : NULL;
		snprintf(text, sizeof(text), "%d", atoi(old) + 1);
		int r = store_text_swap(s, "test", "counter", old, text, &f);
		if (r < 0 && r != -ESTALE)
			return store;
		done += !r;
	}
	return NULL;
}

START_TEST(lets_one_win_of_those_who_swap_at_once)
{
	auto_of(store_close) struct store *s = store_without_texts();
	pthread_t threads[TEXT_THREADS];
	char expected[16];
	void *failed;

	ck_assert_int_eq(store_text_swap(s, "test", "counter", NULL, "0", &fault), 0);
	for (int i = 0; i < TEXT_THREADS; i++)
		pthread_create(&threads[i], NULL, count_up, s);
	for (int i = 0; i < TEXT_THREADS; i++) {
		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	snprintf(expected, sizeof(expected), "%d", TEXT_THREADS * TEXT_ROUNDS);
	text_must_be(s, "counter", expected);
	forget_texts(s);
}
END_TEST

#define CONTRACT_TEXT_CASES                                     \
	swaps_a_text_only_for_the_one_it_should_be,             \
		takes_the_longest_text_and_none_that_is_longer, \
		lists_many_texts_and_no_other_kind, lets_one_win_of_those_who_swap_at_once
