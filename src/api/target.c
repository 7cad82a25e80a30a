/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/target.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/utf8.h"

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* In place: it never gets longer. */
static int decode(char *text, char space, struct fault *f)
{
	const char *what = text;
	char *to = text;

	for (const char *from = text; *from; from++) {
		int high = *from == '%' ? hex_digit(from[1]) : 0;
		int low = *from == '%' && high >= 0 ? hex_digit(from[2]) : 0;

		if (high < 0 || low < 0)
			return fault_set(f, -EINVAL,
					 "the address has a %% without two hexadecimal digits");
		*to = *from == space ? ' ' : *from;
		if (*from == '%') {
			*to = (char)(high << 4 | low);
			from += 2;
		}
		if (!*to)
			return fault_set(f, -EINVAL, "the address has a %%00");
		to++;
	}
	*to = 0;
	if (!utf8_is_printable(what))
		return fault_set(f, -EINVAL, "the address has a control character, or is no UTF-8");
	return 0;
}

static int read_segments(struct target *t, char *path, struct fault *f)
{
	char *rest = path + 1;

	if (*path != '/')
		return fault_set(f, -EINVAL, "the address has no path that begins with /");
	if (!*rest)
		return 0;
	while (rest) {
		char *segment = strsep(&rest, "/");

		if (t->segment_count == TARGET_SEGMENTS_MAX)
			return fault_set(f, -EINVAL, "the address has more than %d parts",
					 TARGET_SEGMENTS_MAX);
		t->segments[t->segment_count++] = segment;
		if (decode(segment, 0, f) < 0)
			return f->code;
		if (!strcmp(segment, ".") || !strcmp(segment, ".."))
			return fault_set(f, -EINVAL, "the address has a part \"%s\"", segment);
	}
	return 0;
}

static int read_query(struct target *t, char *text, struct fault *f)
{
	char *value = text;
	char *name = strsep(&value, "=");

	if (!value)
		value = name + strlen(name);
	if (decode(name, '+', f) < 0 || decode(value, '+', f) < 0)
		return f->code;
	for (unsigned i = 0; i < t->query_count; i++)
		if (!strcmp(t->queries[i].name, name))
			return fault_set(f, -EINVAL, "%.60s stands twice behind the ?", name);
	if (t->query_count == TARGET_QUERIES_MAX)
		return fault_set(f, -EINVAL, "more than %d parameters stand behind the ?",
				 TARGET_QUERIES_MAX);
	t->queries[t->query_count].name = name;
	t->queries[t->query_count++].value = value;
	return 0;
}

static int read_queries(struct target *t, char *rest, struct fault *f)
{
	while (rest) {
		char *text = strsep(&rest, "&");

		if (*text && read_query(t, text, f) < 0)
			return f->code;
	}
	return 0;
}

/* The form that a proxy is sent is allowed too: http://host/path. */
static const char *skip_authority(const char *sent)
{
	const char *host = NULL;

	if (!strncasecmp(sent, "http://", 7))
		host = sent + 7;
	if (!strncasecmp(sent, "https://", 8))
		host = sent + 8;
	if (!host)
		return sent;
	const char *path = strchr(host, '/');
	return path ? path : "/";
}

int target_read(const char *sent, struct target *t, struct fault *f)
{
	*t = (struct target){0};
	sent = skip_authority(sent);
	t->text = strdup(sent);
	t->path = strndup(sent, strcspn(sent, "?"));
	if (!t->text || !t->path)
		return fault_errno(f, -ENOMEM, "read an address");
	if (!strcmp(sent, "*"))
		return 0;
	char *rest = t->text;
	char *path = strsep(&rest, "?");
	int r = read_segments(t, path, f);
	return r ? r : read_queries(t, rest, f);
}

void target_free(struct target *t)
{
	free(t->path);
	free(t->text);
	*t = (struct target){0};
}
