/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "unit.h"
#include "vmguard/retention.h"

enum { CHOICES_MAX = 128 };

/* Central Europe's rules, without asking for a database of time zones. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

static struct retention_choice choices[CHOICES_MAX];
static size_t choice_count;

static void begin(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
	choice_count = 0;
}

static struct retention_choice *add_seconds(time_t seconds)
{
	struct retention_choice *c = &choices[choice_count++];

	ck_assert_uint_le(choice_count, CHOICES_MAX);
	*c = (struct retention_choice){.id = {1, choice_count}, .time_ms = seconds * INT64_C(1000)};
	return c;
}

/* "2026-11-22 10:30" in the zone of begin(). */
static struct retention_choice *add(const char *text)
{
	struct tm parts = {.tm_isdst = -1};

	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M", &parts));
	return add_seconds(mktime(&parts));
}

/* The reasons in one line, oldest first; "-" goes. */
static const char *chosen(struct retention rules)
{
	static char text[CHOICES_MAX * 10];
	size_t used = 0;

	retention_choose(&rules, choices, choice_count);
	text[0] = '\0';
	for (size_t i = 0; i < choice_count; i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
				 choices[i].reason ? choices[i].reason : "-");
	return text;
}

#define CHOSEN(expected, ...) ck_assert_str_eq(chosen((struct retention){__VA_ARGS__}), expected)

START_TEST(last_keeps_that_many_of_the_newest)
{
	begin("UTC");
	for (int i = 0; i < 5; i++)
		add("2026-11-22 10:00"); /* at one time, even: the number decides */
	CHOSEN("- - - last last", .keep_last = 2);
	CHOSEN("last last last last last", .keep_last = 9);
	CHOSEN("- - - - last", .keep_last = 1);
}
END_TEST

START_TEST(hourly_keeps_the_newest_of_each_hour)
{
	begin("UTC");
	add("2026-11-15 09:39");
	add("2026-11-15 10:49");
	add("2026-11-15 10:59");
	add("2026-11-15 11:39");
	add("2026-11-15 11:49");
	add("2026-11-15 11:59");
	CHOSEN("- - - - - hourly", .keep_hourly = 1);
	CHOSEN("- - hourly - - hourly", .keep_hourly = 2);
	CHOSEN("hourly - hourly - - hourly", .keep_hourly = 3);
	CHOSEN("hourly - hourly - - hourly", .keep_hourly = 24);
}
END_TEST

START_TEST(hours_without_a_checkpoint_are_not_counted)
{
	begin("UTC");
	add("2026-11-01 03:00");
	add("2026-11-14 22:10");
	add("2026-11-15 09:39");
	CHOSEN("hourly hourly hourly", .keep_hourly = 3);
}
END_TEST

START_TEST(daily_and_weekly_keep_the_newest_of_each)
{
	begin("UTC");
	add("2026-11-08 23:59"); /* Sunday, week 45 */
	add("2026-11-09 00:00"); /* Monday, week 46 */
	add("2026-11-15 12:00"); /* Sunday, week 46 */
	add("2026-11-16 08:00");
	add("2026-11-16 20:00");
	CHOSEN("- - daily - daily", .keep_daily = 2);
	CHOSEN("weekly - weekly - weekly", .keep_weekly = 3);
}
END_TEST

/*
 * The day that `last` keeps checkpoints of is covered, and daily counts two FURTHER days. restic
 * would count it as the first of the two and let the 19th go.
 */
START_TEST(a_covered_period_does_not_count)
{
	begin("UTC");
	add("2026-11-18 12:00");
	add("2026-11-19 12:00");
	add("2026-11-20 12:00");
	add("2026-11-21 09:00");
	add("2026-11-21 10:00");
	add("2026-11-21 11:00");
	CHOSEN("- daily daily - last last", .keep_last = 2, .keep_daily = 2);
}
END_TEST

START_TEST(all_rules_together)
{
	begin("UTC");
	add("2026-10-30 12:00"); /* week 44 */
	add("2026-11-06 12:00"); /* week 45 */
	add("2026-11-14 12:00"); /* week 46 */
	add("2026-11-20 12:00"); /* week 47, as all that follow */
	add("2026-11-21 12:00");
	add("2026-11-21 18:00");
	add("2026-11-22 08:00");
	add("2026-11-22 09:00");
	add("2026-11-22 09:30");
	add("2026-11-22 09:40");
	CHOSEN("- weekly weekly - - daily hourly - last last", .keep_last = 2, .keep_hourly = 1,
	       .keep_daily = 1, .keep_weekly = 2);
}
END_TEST

START_TEST(an_iso_week_goes_across_the_end_of_a_year)
{
	begin("UTC");
	add("2024-12-29 12:00"); /* Sunday, 2024-W52 */
	add("2024-12-30 12:00"); /* Monday, 2025-W01 */
	add("2025-01-05 12:00"); /* Sunday, 2025-W01 */
	add("2025-01-06 12:00"); /* Monday, 2025-W02 */
	CHOSEN("weekly - weekly weekly", .keep_weekly = 9);
}
END_TEST

START_TEST(the_same_week_of_two_years_is_two_weeks)
{
	begin("UTC");
	add("2020-12-31 12:00"); /* 2020-W53 */
	add("2026-12-31 12:00"); /* 2026-W53 */
	add("2027-01-03 12:00"); /* Sunday, still 2026-W53 */
	CHOSEN("weekly - weekly", .keep_weekly = 9);
}
END_TEST

START_TEST(the_hour_that_comes_twice_is_one)
{
	begin(BERLIN);
	struct retention_choice *first = add("2026-10-25 01:30");
	time_t half_past_one = first->time_ms / 1000;

	add_seconds(half_past_one + 3600); /* 02:30 in summer time */
	add_seconds(half_past_one + 7200); /* 02:30 in winter time */
	add_seconds(half_past_one + 10800);
	CHOSEN("hourly - hourly hourly", .keep_hourly = 9);
}
END_TEST

START_TEST(the_hour_that_is_left_out_is_no_period)
{
	begin(BERLIN);
	struct retention_choice *first = add("2026-03-29 01:30");
	time_t half_past_one = first->time_ms / 1000;

	add_seconds(half_past_one + 1800); /* 03:00 */
	add_seconds(half_past_one + 3600); /* 03:30 */
	CHOSEN("hourly - hourly", .keep_hourly = 2);
}
END_TEST

START_TEST(a_day_is_one_of_local_time)
{
	time_t before_midnight;

	begin(BERLIN);
	before_midnight = add("2026-11-21 23:30")->time_ms / 1000;
	add_seconds(before_midnight + 3600); /* 22:30 and 23:30 of one day in UTC */
	CHOSEN("daily daily", .keep_daily = 2);
	begin("UTC");
	add_seconds(before_midnight);
	add_seconds(before_midnight + 3600);
	CHOSEN("- daily", .keep_daily = 2);
}
END_TEST

START_TEST(a_protected_one_stays_and_is_not_counted)
{
	begin("UTC");
	add("2026-11-19 12:00")->is_protected = true;
	add("2026-11-20 12:00");
	add("2026-11-21 12:00");
	add("2026-11-22 12:00")->is_protected = true;
	CHOSEN("protected - last protected", .keep_last = 1);
	CHOSEN("protected daily daily protected", .keep_daily = 2);
}
END_TEST

START_TEST(a_damaged_one_stays_and_is_not_counted)
{
	begin("UTC");
	add("2026-11-19 12:00");
	add("2026-11-20 12:00")->is_damaged = true;
	add("2026-11-21 12:00");
	add("2026-11-22 12:00")->is_damaged = true;
	CHOSEN("- damaged last damaged", .keep_last = 1);
	CHOSEN("last damaged last damaged", .keep_last = 2);
}
END_TEST

START_TEST(one_that_is_restored_stays_and_changes_nothing_else)
{
	begin("UTC");
	add("2026-11-19 12:00")->is_held = true;
	add("2026-11-20 12:00");
	add("2026-11-21 12:00")->is_held = true;
	add("2026-11-22 12:00");
	CHOSEN("being restored - last last", .keep_last = 2);
	choices[0].is_protected = true;
	CHOSEN("protected - being restored last", .keep_last = 1);
}
END_TEST

START_TEST(the_newest_good_one_stays_whatever_the_rules)
{
	begin("UTC");
	add("2026-11-19 12:00");
	add("2026-11-20 12:00");
	add("2026-11-21 12:00")->is_damaged = true;
	CHOSEN("- newest damaged", 0); /* what no caller should ask for */
	choices[1].is_protected = true;
	CHOSEN("- protected damaged", 0);
	choice_count = 0;
	CHOSEN("", .keep_last = 1);
}
END_TEST

START_TEST(a_clock_that_was_set_back_does_no_harm)
{
	begin("UTC");
	add("2026-11-22 12:00");
	add("2026-11-22 13:00");
	add("2026-11-22 12:30"); /* the clock was an hour fast */
	add("2026-11-22 12:40");
	CHOSEN("- hourly - hourly", .keep_hourly = 5);
	CHOSEN("- - last last", .keep_last = 2);
}
END_TEST

/* A day in steps of ten minutes, pruned after each: what is there at the end is what one wants. */
START_TEST(pruning_again_and_again_keeps_what_pruning_once_keeps)
{
	const struct retention rules = {.keep_last = 3, .keep_hourly = 4, .keep_daily = 2};
	size_t kept;

	begin("UTC");
	time_t midnight = add("2026-11-21 00:00")->time_ms / 1000;
	for (int step = 1; step < 2 * 144; step++) {
		add_seconds(midnight + step * 600)->id.number = step + 1;
		retention_choose(&rules, choices, choice_count);
		kept = 0;
		for (size_t i = 0; i < choice_count; i++)
			if (choices[i].reason)
				choices[kept++] = choices[i];
		choice_count = kept;
	}
	/* 23:30, 23:40, 23:50; 22:50, 21:50, 20:50, 19:50; the 21st, 23:50 */
	CHOSEN("daily hourly hourly hourly hourly last last last", .keep_last = 3, .keep_hourly = 4,
	       .keep_daily = 2);
	ck_assert_int_eq(choices[0].time_ms / 1000, midnight + 143 * 600);
	ck_assert_int_eq(choices[4].time_ms / 1000, midnight + (143 + 138) * 600);
}
END_TEST

UNIT_MAIN("choose", last_keeps_that_many_of_the_newest, hourly_keeps_the_newest_of_each_hour,
	  hours_without_a_checkpoint_are_not_counted, daily_and_weekly_keep_the_newest_of_each,
	  a_covered_period_does_not_count, all_rules_together,
	  an_iso_week_goes_across_the_end_of_a_year, the_same_week_of_two_years_is_two_weeks,
	  the_hour_that_comes_twice_is_one, the_hour_that_is_left_out_is_no_period,
	  a_day_is_one_of_local_time, a_protected_one_stays_and_is_not_counted,
	  a_damaged_one_stays_and_is_not_counted,
	  one_that_is_restored_stays_and_changes_nothing_else,
	  the_newest_good_one_stays_whatever_the_rules, a_clock_that_was_set_back_does_no_harm,
	  pruning_again_and_again_keeps_what_pruning_once_keeps)
