/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/accept.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct range {
	const char *text; /* "text/ *" without its parameters */
	size_t bytes;
	int quality; /* thousandths */
};

static const char *skip_space(const char *c)
{
	return c + strspn(c, " \t");
}

/* Up to one of the characters or the end; what is quoted is passed over. */
static const char *find_outside_quotes(const char *c, const char *ends)
{
	bool quoted = false;

	for (; *c && (quoted || !strchr(ends, *c)); c++) {
		if (quoted && *c == '\\' && c[1])
			c++;
		else if (*c == '"')
			quoted = !quoted;
	}
	return c;
}

/* "0.25" is 250; what is no number counts as 1. */
static int read_quality(const char *c)
{
	int quality = 0;

	if (*c != '0' || (c[1] && !strchr(".,; \t", c[1])))
		return 1000;
	if (c[1] != '.')
		return 0;
	c += 2;
	for (int place = 100; place && isdigit((unsigned char)*c); place /= 10)
		quality += (*c++ - '0') * place;
	return quality;
}

/* Gives where the next one begins, or NULL behind the last. */
static const char *read_range(const char *c, struct range *range)
{
	c = skip_space(c);
	range->text = c;
	range->bytes = strcspn(c, " \t;,");
	range->quality = 1000;
	for (c = find_outside_quotes(c, ";,"); *c == ';'; c = find_outside_quotes(c, ";,")) {
		c = skip_space(c + 1);
		if (!strncasecmp(c, "q=", 2))
			range->quality = read_quality(c + 2);
	}
	return *c == ',' ? c + 1 : NULL;
}

/* How exactly it names the type: 3 is all of it, 0 not at all. */
static int precision(const struct range *range, const char *type)
{
	size_t family = strcspn(type, "/") + 1; /* with its slash */

	if (range->bytes == strlen(type) && !strncasecmp(range->text, type, range->bytes))
		return 3;
	if (range->bytes == family + 1 && range->text[family] == '*' &&
	    !strncasecmp(range->text, type, family))
		return 2;
	return range->bytes == 3 && !strncmp(range->text, "*/*", 3);
}

/* The most precise range decides. */
static int quality_of(const char *accept, const char *type)
{
	int best = 0, quality = 0;
	struct range range;

	for (const char *c = accept; c;) {
		c = read_range(c, &range);
		int precise = precision(&range, type);
		if (precise > best) {
			best = precise;
			quality = range.quality;
		}
	}
	return quality;
}

int accept_choose(const char *accept, const char *const *types, size_t count)
{
	int best = 0, chosen = -1;

	if (!accept || !*skip_space(accept))
		return 0;
	for (size_t i = 0; i < count; i++) {
		int quality = quality_of(accept, types[i]);

		if (quality > best) {
			best = quality;
			chosen = (int)i;
		}
	}
	return chosen;
}

bool accept_is_type(const char *content_type, const char *type)
{
	struct range range;

	if (!content_type)
		return false;
	read_range(content_type, &range);
	return precision(&range, type) == 3;
}
