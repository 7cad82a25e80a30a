/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which checkpoints stay. It is what Proxmox Backup Server does (pbs-datastore/src/prune.rs), so
 * that the words mean the same:
 *
 *	for each rule, from the newest checkpoint to the oldest
 *	    its period has a kept one, of this rule or of an earlier   no opinion
 *	    else                                                       kept, until there are N
 *
 * restic counts otherwise: there a rule counts periods from which another rule keeps one too, so
 * that the same numbers keep fewer checkpoints.
 */
#include "vmguard/retention.h"

#include <time.h>

enum { RULES = 4 };

static const char *const rule_names[RULES] = {"last", "hourly", "daily", "weekly"};

bool retention_is_set(const struct retention *rules)
{
	return rules->keep_last || rules->keep_hourly || rules->keep_daily || rules->keep_weekly;
}

/* A number for the hour, day, ISO week of local time; equal for what lies in the same one. */
static int64_t period_of(int rule, const struct retention_choice *choice)
{
	time_t seconds = choice->time_ms / 1000;
	struct tm parts;
	char week[16];

	if (rule == 0)
		return choice->id.number; /* each is its own */
	localtime_r(&seconds, &parts);
	int64_t day = parts.tm_year * INT64_C(366) + parts.tm_yday;
	if (rule == 1)
		return day * 24 + parts.tm_hour; /* one that comes twice is one period */
	if (rule == 2)
		return day;
	strftime(week, sizeof(week), "%G%V", &parts); /* the year that the week belongs to */
	return strtoll(week, NULL, 10);
}

static bool is_eligible(const struct retention_choice *choice)
{
	return !choice->is_protected && !choice->is_damaged;
}

static bool has_kept(const struct retention_choice *choices, size_t count, int64_t period)
{
	for (size_t i = count; i-- > 0;)
		if (is_eligible(&choices[i]) && choices[i].reason && choices[i].period == period)
			return true;
	return false;
}

static void apply(int rule, unsigned keep, struct retention_choice *choices, size_t count)
{
	for (size_t i = 0; keep && i < count; i++)
		choices[i].period = period_of(rule, &choices[i]);
	for (size_t i = count; keep && i-- > 0;) {
		struct retention_choice *c = &choices[i];

		if (!is_eligible(c) || c->reason || has_kept(choices, count, c->period))
			continue;
		c->reason = rule_names[rule];
		keep--;
	}
}

/* No rule may take the last one that a guest could go on from. */
static void keep_newest(struct retention_choice *choices, size_t count)
{
	size_t i = count;

	while (i && choices[i - 1].is_damaged)
		i--;
	if (i && !choices[i - 1].reason)
		choices[i - 1].reason = "newest";
}

static void keep_held(struct retention_choice *choices, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (choices[i].is_held && !choices[i].reason)
			choices[i].reason = "being restored";
}

void retention_choose(const struct retention *rules, struct retention_choice *choices, size_t count)
{
	const unsigned keep[RULES] = {rules->keep_last, rules->keep_hourly, rules->keep_daily,
				      rules->keep_weekly};

	for (size_t i = 0; i < count; i++)
		choices[i].reason = choices[i].is_damaged     ? "damaged"
				    : choices[i].is_protected ? "protected"
							      : NULL;
	for (int rule = 0; rule < RULES; rule++)
		apply(rule, keep[rule], choices, count);
	keep_newest(choices, count);
	keep_held(choices, count);
}
