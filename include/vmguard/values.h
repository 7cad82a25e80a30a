/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms in which people write values, on the command line, in settings and in policies. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	DURATION_MAX_MS = 1000000000, /* 11 days */
	COUNT_MAX = 1000000,
	VALUE_BYTES = 24, /* of one that is formatted */
};

/* false: not of that form, or too large. */
bool parse_size(const char *text, uint64_t *bytes); /* "512M", "2G", bytes without a letter */
bool parse_duration(const char *text, int64_t *ms); /* "500ms", "10s", "5m", "1h"; not 0 */
bool parse_count(const char *text, uint64_t *count);

/* In the largest unit that is exact: parses to the same again. */
const char *value_of_size(uint64_t bytes, char text[VALUE_BYTES]);
const char *value_of_duration(int64_t ms, char text[VALUE_BYTES]);
