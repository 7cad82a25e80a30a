/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms that arguments have. */
#include <errno.h>
#include <string.h>

#include "verb.h"

bool parse_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9')
		return false;
	const char *letter = *end ? strchr(letters, *end) : NULL;
	unsigned shift = letter ? 10 * (letter - letters + 1) : 0;
	if ((*end && !letter) || (letter && end[1]) || (shift && value >> (64 - shift)))
		return false;
	*bytes = value << shift;
	return true;
}

bool parse_duration(const char *text, int64_t *ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || !value)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name)) {
			*ms = value * units[i].ms;
			return value <= (uint64_t)DURATION_MAX_MS / units[i].ms;
		}
	return false;
}

bool parse_count(const char *text, uint64_t *count)
{
	char *end;

	errno = 0;
	*count = strtoull(text, &end, 10);
	return !errno && *text >= '0' && *text <= '9' && !*end && *count <= COUNT_MAX;
}

int parse_target(const char *text, struct target *t, struct fault *f)
{
	const char *at = strchrnul(text, '@');
	size_t length = at - text;
	char *end;

	*t = (struct target){0};
	if (length >= sizeof(t->guest))
		return fault_set(f, -EINVAL, "\"%s\": a guest's name has at most %zu characters",
				 text, sizeof(t->guest) - 1);
	memcpy(t->guest, text, length);
	int r = store_check_name(t->guest, f);
	if (r < 0 || !*at)
		return r;
	errno = 0;
	t->number = strtoull(at + 1, &end, 10);
	if (errno || at[1] < '0' || at[1] > '9' || *end || !t->number)
		return fault_set(f, -EINVAL, "\"%s\": a checkpoint is a number from 1, as in %s@3",
				 text, t->guest);
	return 0;
}

int parse_checkpoint(const char *text, struct target *t, struct fault *f)
{
	int r = parse_target(text, t, f);

	if (!r && !t->number)
		return fault_set(f, -EINVAL, "\"%s\": which checkpoint? %s@3, say", text, t->guest);
	return r;
}
