/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An empty line. What has no data is no event. */
static int end_event(struct sse *s)
{
	const struct client_event e = {
		.id = s->id,
		.kind = s->kind[0] ? s->kind : "message",
		.data = s->data.bytes,
	};

	if (s->has_data) {
		s->data.bytes[s->data.count - 1] = 0; /* the last line's end is not part of it */
		s->told = s->event(s->context, &e);
	}
	s->has_data = false;
	s->data.count = 0;
	s->kind[0] = 0;
	return s->told;
}

static int take_text(char *to, size_t room, const char *value)
{
	if (strlen(value) >= room)
		return -EMSGSIZE;
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

static int take_data(struct sse *s, const char *value, size_t bytes)
{
	int r = text_add(&s->data, value, bytes, CLIENT_EVENT_BYTES);

	if (r == 0)
		r = text_add(&s->data, "\n", 1, CLIENT_EVENT_BYTES);
	s->has_data = r == 0;
	return r;
}

/* "name: value", "name", or ": a comment". Unknown names are passed over, and so is `retry`. */
static int take_line(struct sse *s)
{
	char *name = s->line.bytes, *value = name + strcspn(name, ":");
	const char *end = s->line.bytes + s->line.count;

	if (*value)
		*value++ = 0;
	else if (value < end)
		return 0; /* no name has a NUL */
	if (*value == ' ')
		value++;
	size_t bytes = end - value;
	if (!strcmp(name, "data"))
		return take_data(s, value, bytes);
	if (!strcmp(name, "event"))
		return take_text(s->kind, sizeof(s->kind), value);
	if (!strcmp(name, "id") && strlen(value) == bytes) /* one with a NUL in it does not count */
		return take_text(s->id, sizeof(s->id), value);
	return 0;
}

static int end_line(struct sse *s)
{
	static const char mark[] = "\xef\xbb\xbf";
	int r;

	if (!s->is_begun && s->line.count >= 3 && !memcmp(s->line.bytes, mark, 3)) {
		s->line.count -= 3;
		memmove(s->line.bytes, s->line.bytes + 3, s->line.count + 1);
	}
	s->is_begun = true;
	r = s->line.count ? take_line(s) : end_event(s);
	s->line.count = 0;
	return r;
}

int sse_feed(struct sse *s, const char *bytes, size_t count)
{
	const char *end = bytes + count;
	int r = 0;

	while (bytes < end && r == 0) {
		if (s->after_return && *bytes == '\n')
			bytes++; /* the second half of a line's end */
		s->after_return = false;
		size_t piece = 0;
		while (bytes + piece < end && bytes[piece] != '\r' && bytes[piece] != '\n')
			piece++;
		r = text_add(&s->line, bytes, piece, CLIENT_EVENT_BYTES);
		bytes += piece;
		if (r < 0 || bytes == end)
			break;
		s->after_return = *bytes++ == '\r';
		r = end_line(s);
	}
	return r;
}

void sse_close(struct sse *s)
{
	free(s->line.bytes);
	free(s->data.bytes);
}
