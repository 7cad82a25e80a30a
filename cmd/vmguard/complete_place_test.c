/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "complete_place.h"
#include "unit.h"
#include "vmguard/policy.h"

enum { WORDS_MAX = 16 };

static const struct verb info = {.name = "info", .help = "  --json            --no-option\n"};
static const struct verb diff = {.name = "diff", .help = ""};
static const struct verb restore = {
	.name = "restore",
	.help = "  --store URI       where; as with --name\n"
		"  --disks rollback|clone|keep\n"
		"                    what becomes of them, with --connect\n"
		"  --cert FILE --cert-key FILE --ca FILE\n"
		"                    who asks there\n"
		"  -- QEMU-COMMAND   the command that started it, not --this\n"
		"  --keep-last N, --keep-hourly N\n"
		"  --json            print Objects, but for --dry-run\n"
		"\nThe exit status is 4 with --watch.\n",
};
static const struct verb policy = {.name = "policy", .help = "  --KEY VALUE, --set KEY=VALUE\n"};
static const struct verb events = {.name = "events", .help = ""};
static const struct verb *const verbs[] = {&info, &diff, &restore, &policy, &events, NULL};

static struct complete_place place;

/* What is typed up to the cursor: words between blanks, the last one may be empty. */
static enum complete_kind at(const char *typed)
{
	static char text[256];
	static char *words[WORDS_MAX];
	char *rest = text;
	int count = 0;

	snprintf(text, sizeof(text), "%s", typed);
	while (rest)
		words[count++] = strsep(&rest, " ");
	place = complete_find(&(struct complete_line){verbs, words, count});
	return place.kind;
}

static void is_at(const char *typed, enum complete_kind kind, const char *begun)
{
	ck_assert_msg(at(typed) == kind, "%s: %d", typed, place.kind);
	ck_assert_str_eq(place.begun, begun);
}

START_TEST(the_first_word_is_a_verb)
{
	is_at("", COMPLETE_VERBS, "");
	is_at("in", COMPLETE_VERBS, "in");
	is_at("--v", COMPLETE_VERBS, "--v");
	is_at("nonsense ", COMPLETE_NOTHING, "");
	ck_assert_ptr_null(place.verb);
}
END_TEST

START_TEST(operands_are_counted_without_options_and_their_values)
{
	is_at("info we", COMPLETE_TARGETS, "we");
	is_at("info --store rbd:vms --json web@", COMPLETE_TARGETS, "web@");
	is_at("info --store=rbd:vms web@1", COMPLETE_TARGETS, "web@1");
	is_at("info web ", COMPLETE_NOTHING, "");
	is_at("diff web@1 w", COMPLETE_CHECKPOINTS, "w");
	is_at("diff web@1 web@2 ", COMPLETE_NOTHING, "");
	is_at("policy --interval 1s w", COMPLETE_GUESTS, "w");
	is_at("policy --without-disks yes w", COMPLETE_GUESTS, "w");
	is_at("policy --set clock=keep w", COMPLETE_GUESTS, "w");
	is_at("events ", COMPLETE_NOTHING, "");
}
END_TEST

START_TEST(a_value_is_that_of_the_option_before_it)
{
	is_at("info --store ", COMPLETE_STORES, "");
	is_at("info --store dir:/sr", COMPLETE_FILES, "/sr");
	is_at("info --store=dir:/sr", COMPLETE_FILES, "/sr");
	is_at("info --key-file a=b", COMPLETE_FILES, "a=b");
	is_at("events --guest=we", COMPLETE_GUESTS, "we");
	is_at("restore --disks k", COMPLETE_WORDS, "k");
	ck_assert_str_eq(place.choices, "rollback clone keep");
	is_at("restore --max-rate ", COMPLETE_NOTHING, "");
	is_at("info --json ", COMPLETE_TARGETS, "");
}
END_TEST

START_TEST(an_option_is_one_of_the_verbs)
{
	is_at("info --js", COMPLETE_OPTIONS, "--js");
	is_at("info web -", COMPLETE_OPTIONS, "-");
	is_at("info --unknown=", COMPLETE_NOTHING, "");
	is_at("info -x=", COMPLETE_NOTHING, "-x=");
}
END_TEST

START_TEST(settings_have_values_of_their_own)
{
	is_at("policy web --set inter", COMPLETE_SETTINGS, "inter");
	is_at("policy web --set on-failure=r", COMPLETE_WORDS, "r");
	ck_assert_str_eq(place.choices, "resume reboot manual");
	is_at("policy web --set key-file=/e", COMPLETE_FILES, "/e");
	is_at("policy web --set interval=1", COMPLETE_NOTHING, "1");
	is_at("policy web --set=clock=k", COMPLETE_WORDS, "k");
	is_at("policy --network a", COMPLETE_WORDS, "a");
	ck_assert_str_eq(place.choices, "announce keep");
	is_at("restore --network s", COMPLETE_WORDS, "s");
	ck_assert_str_eq(place.choices, "none same");
}
END_TEST

START_TEST(values_of_settings_are_those_that_a_policy_takes)
{
	const char *const settings[] = {"on-failure", "clock", "network", "without-disks"};
	char typed[64], words[64];
	struct policy p;
	struct fault f;

	policy_init(&p);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(typed, sizeof(typed), "policy web --set %s=", settings[i]);
		ck_assert_int_eq(at(typed), COMPLETE_WORDS);
		snprintf(words, sizeof(words), "%s", place.choices);
		for (char *rest = words, *word; (word = strsep(&rest, " "));)
			ck_assert_msg(!policy_set(&p, settings[i], word, &f), "%s", f.text);
	}
}
END_TEST

START_TEST(a_command_follows_only_a_restore)
{
	is_at("restore web -- qe", COMPLETE_COMMANDS, "qe");
	is_at("restore web -- qemu-system-x86_64 -kernel /b", COMPLETE_FILES, "/b");
	is_at("info -- w", COMPLETE_NOTHING, "w");
}
END_TEST

START_TEST(options_are_those_that_a_help_tells_about)
{
	const char *const expected[] = {"store", "disks",     "cert",	     "cert-key",
					"ca",	 "keep-last", "keep-hourly", "json"};
	const char *help = restore.help, *name;
	size_t length, i = 0;

	while ((name = complete_option(&help, &length))) {
		ck_assert_uint_lt(i, sizeof(expected) / sizeof(expected[0]));
		ck_assert_uint_eq(length, strlen(expected[i]));
		ck_assert(!strncmp(name, expected[i], length));
		i++;
	}
	ck_assert_uint_eq(i, sizeof(expected) / sizeof(expected[0]));
}
END_TEST

UNIT_MAIN("complete_place", the_first_word_is_a_verb,
	  operands_are_counted_without_options_and_their_values,
	  a_value_is_that_of_the_option_before_it, an_option_is_one_of_the_verbs,
	  settings_have_values_of_their_own, values_of_settings_are_those_that_a_policy_takes,
	  a_command_follows_only_a_restore, options_are_those_that_a_help_tells_about)
