/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spelling.h"

#include <string.h>

enum { LENGTH_MAX = 48, NEAR = 3 };

struct spelling spelling_of(const char *typed)
{
	const size_t third = (strlen(typed) + 2) / 3;

	return (struct spelling){.typed = typed, .distance = third < NEAR ? third + 1 : NEAR};
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters to add, drop, change or swap: Damerau's distance, row by row. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LENGTH_MAX + 1];
	size_t length = strlen(b);

	if (strlen(a) > LENGTH_MAX || length > LENGTH_MAX)
		return LENGTH_MAX;
	for (size_t j = 0; j <= length; j++)
		rows[0][j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1,
				       above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return rows[strlen(a) % 3][length];
}

void spelling_try(struct spelling *s, const char *name)
{
	size_t d = distance(s->typed, name);

	if (d < s->distance) {
		s->found = name;
		s->distance = d;
	}
}
