/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sizes[] = "KMGT";

static const struct {
	const char *name;
	int64_t ms;
} durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};

enum { DURATIONS = sizeof(durations) / sizeof(durations[0]) };

bool parse_size(const char *text, uint64_t *bytes)
{
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9')
		return false;
	const char *letter = *end ? strchr(sizes, *end) : NULL;
	unsigned shift = letter ? 10 * (letter - sizes + 1) : 0;
	if ((*end && !letter) || (letter && end[1]) || (shift && value >> (64 - shift)))
		return false;
	*bytes = value << shift;
	return true;
}

bool parse_duration(const char *text, int64_t *ms)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || !value)
		return false;
	for (size_t i = 0; i < DURATIONS; i++)
		if (!strcmp(end, durations[i].name)) {
			*ms = value * durations[i].ms;
			return value <= (uint64_t)DURATION_MAX_MS / durations[i].ms;
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

const char *value_of_size(uint64_t bytes, char text[VALUE_BYTES])
{
	int unit = -1;

	while (bytes && bytes % 1024 == 0 && unit < (int)strlen(sizes) - 1) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, VALUE_BYTES, "%" PRIu64 "%.*s", bytes, unit >= 0,
		 sizes + (unit < 0 ? 0 : unit));
	return text;
}

const char *value_of_duration(int64_t ms, char text[VALUE_BYTES])
{
	int unit = DURATIONS - 1;

	while (unit && ms % durations[unit].ms)
		unit--;
	snprintf(text, VALUE_BYTES, "%" PRId64 "%s", ms / durations[unit].ms, durations[unit].name);
	return text;
}
