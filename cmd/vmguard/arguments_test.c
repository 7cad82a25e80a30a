/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "verb.h"

enum { WORDS_MAX = 16 };

static const struct verb some_verb = {.name = "verb", .usage = "…"};
static struct arguments a;
static int status;

/* Reads one line of words as the command line of a verb that takes these options. */
static bool read_line(const char *accepted, const char *line)
{
	static char text[256];
	static char *words[WORDS_MAX + 1];
	int count = 0;

	snprintf(text, sizeof(text), "verb %s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	words[count] = NULL;
	status = -1;
	return arguments_read(&some_verb, accepted, count, words, &a, &status);
}

static void refuses(const char *accepted, const char *line)
{
	ck_assert_msg(!read_line(accepted, line), "%s", line);
	ck_assert_msg(status == EXIT_USAGE, "%s: %d", line, status);
}

START_TEST(each_option_has_its_place)
{
	ck_assert(read_line("qmp store name every count spool max-rate transfer-cpus json",
			    "--qmp a --store b --name c --every 5s --count 7 --spool 1M "
			    "--max-rate=2M --json"));
	ck_assert_str_eq(a.qmp, "a");
	ck_assert_str_eq(a.store, "b");
	ck_assert_str_eq(a.name, "c");
	ck_assert_int_eq(a.every_ms, 5000);
	ck_assert_uint_eq(a.count, 7);
	ck_assert_uint_eq(a.spool_bytes, 1 << 20);
	ck_assert_uint_eq(a.max_rate, 2 << 20);
	ck_assert_ptr_null(a.transfer_cpus);
	ck_assert(read_line("connect domain", "--connect qemu:///system --domain web"));
	ck_assert_str_eq(a.connect, "qemu:///system");
	ck_assert_str_eq(a.domain, "web");
	ck_assert_ptr_null(a.qmp);
}
END_TEST

START_TEST(flags_are_set_only_where_they_are_given)
{
	ck_assert(read_line("json encrypt dry-run no-verify allow-resume", "--json"));
	ck_assert(a.json && !a.encrypt && !a.dry_run && !a.no_verify && !a.allow_resume);
}
END_TEST

START_TEST(the_rules_of_retention_come_together)
{
	ck_assert(read_line("keep-last keep-hourly keep-daily keep-weekly",
			    "--keep-last 1 --keep-hourly 2 --keep-daily 3 --keep-weekly 4"));
	struct retention r = arguments_retention(&a);
	ck_assert(r.keep_last == 1 && r.keep_hourly == 2 && r.keep_daily == 3 &&
		  r.keep_weekly == 4);
	ck_assert(read_line("keep-last", ""));
	r = arguments_retention(&a);
	ck_assert(!retention_is_set(&r));
}
END_TEST

START_TEST(what_is_left_are_the_targets)
{
	ck_assert(read_line("store", "web@1 --store x web@2"));
	ck_assert_int_eq(a.rest_count, 2);
	ck_assert_str_eq(a.rest[0], "web@1");
	ck_assert_str_eq(a.rest[1], "web@2");
	ck_assert_ptr_null(a.rest[2]);
}
END_TEST

START_TEST(an_option_of_another_verb_is_unknown)
{
	refuses("store", "--store x --dry-run");
	refuses("store keep-last", "--store x --keep-daily 1");
	refuses("keep-last keep-daily", "--keep 1"); /* short for which of them? */
}
END_TEST

START_TEST(a_wrong_value_is_refused)
{
	refuses("every", "--every 10");
	refuses("every", "--every 0s");
	refuses("count", "--count -1");
	refuses("keep-last", "--keep-last many");
	refuses("max-rate", "--max-rate fast");
	refuses("every", "--every");
}
END_TEST

START_TEST(a_store_is_needed_where_one_is_taken)
{
	refuses("store", "");
	ck_assert(read_line("qmp", ""));
}
END_TEST

START_TEST(encryption_needs_a_key)
{
	refuses("encrypt key-file", "--encrypt");
	ck_assert(read_line("encrypt key-file", "--encrypt --key-file k"));
	ck_assert(a.encrypt);
	ck_assert_str_eq(a.key_file, "k");
}
END_TEST

UNIT_MAIN("arguments", each_option_has_its_place, flags_are_set_only_where_they_are_given,
	  the_rules_of_retention_come_together, what_is_left_are_the_targets,
	  an_option_of_another_verb_is_unknown, a_wrong_value_is_refused,
	  a_store_is_needed_where_one_is_taken, encryption_needs_a_key)
