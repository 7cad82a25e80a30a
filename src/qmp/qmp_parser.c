/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-c's tokener does the parsing. This adds what it does not do: a limit of a message's
 * size, offsets over the whole connection, and the refusal of what only json-c takes for
 * JSON. A message must begin with `{`, so that the tokener never has to guess where a bare
 * number ends; and it must be ASCII, which is what QEMU promises to send. The tokener would
 * take a zero byte for the end of its input, and its own check for UTF-8 forgets a character
 * that a read cuts in two.
 */
#include "qmp/qmp_parser.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qmp/qmp_error.h"

struct qmp_parser {
	struct qmp_sink *sink;
	struct json_tokener *tokener;
	uint64_t offset;      /* bytes taken */
	size_t message_bytes; /* of them in the message begun, 0 between messages */
	bool broken;
	bool joins; /* the first line has not ended */
	char *line; /* of it, what came */
	size_t line_bytes;
};

struct qmp_parser *qmp_parser_new(struct qmp_sink *sink)
{
	struct qmp_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sink = sink;
	p->tokener = json_tokener_new_ex(QMP_MESSAGE_DEPTH);
	if (!p->tokener) {
		free(p);
		return NULL;
	}
	json_tokener_set_flags(p->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	return p;
}

void qmp_parser_free(struct qmp_parser *p)
{
	if (!p)
		return;
	json_tokener_free(p->tokener);
	free(p->line);
	free(p);
}

void qmp_parser_join(struct qmp_parser *p)
{
	p->joins = true;
}

bool qmp_parser_is_inside(const struct qmp_parser *p)
{
	return p->message_bytes > 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t ascii_span(const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length && (((unsigned char)bytes[i] >= 0x20 && (unsigned char)bytes[i] < 0x80) ||
			      is_space(bytes[i])))
		i++;
	return i;
}

static int refuse_byte(const struct qmp_parser *p, char byte, const char *why, struct qmp_error *e)
{
	return qmp_error_set(e, -EPROTO, "byte 0x%02x at offset %" PRIu64 " %s",
			     (unsigned char)byte, p->offset, why);
}

/* Feeds the message begun, at most to its end; *used is how far it came. */
static int feed_message(struct qmp_parser *p, const char *bytes, size_t length, size_t *used,
			struct qmp_error *e)
{
	size_t room = QMP_MESSAGE_BYTES - p->message_bytes;
	size_t piece = length < room ? length : room;
	struct json_object *message = json_tokener_parse_ex(p->tokener, bytes, (int)piece);
	enum json_tokener_error error = json_tokener_get_error(p->tokener);

	*used = error == json_tokener_continue ? piece : json_tokener_get_parse_end(p->tokener);
	p->offset += *used;
	p->message_bytes += *used;
	if (message) {
		size_t message_bytes = p->message_bytes;

		p->message_bytes = 0;
		return p->sink->take(p->sink, message, message_bytes, e);
	}
	if (error != json_tokener_continue)
		return qmp_error_set(e, -EPROTO, "no JSON at offset %" PRIu64 ": %s", p->offset,
				     json_tokener_error_desc(error));
	if (p->message_bytes == QMP_MESSAGE_BYTES)
		return qmp_error_set(e, -EPROTO,
				     "a message before offset %" PRIu64 " is longer than %d MiB",
				     p->offset, QMP_MESSAGE_BYTES >> 20);
	return 0;
}

static int feed_ascii(struct qmp_parser *p, const char *bytes, size_t length, struct qmp_error *e)
{
	size_t at = 0;

	while (at < length) {
		size_t used = 1;
		int r = 0;

		if (!p->message_bytes && is_space(bytes[at]))
			p->offset++;
		else if (!p->message_bytes && bytes[at] != '{')
			r = refuse_byte(p, bytes[at], "does not begin a message", e);
		else
			r = feed_message(p, bytes + at, length - at, &used, e);
		if (r < 0)
			return r;
		at += used;
	}
	return 0;
}

/* The end of a message is no JSON: a brace too many is left, or a quote. */
static int take_line(struct qmp_parser *p, struct qmp_error *e)
{
	struct json_object *message =
		json_tokener_parse_ex(p->tokener, p->line, (int)p->line_bytes);
	bool whole = json_tokener_get_error(p->tokener) == json_tokener_success;

	for (size_t i = json_tokener_get_parse_end(p->tokener); i < p->line_bytes; i++)
		whole = whole && is_space(p->line[i]);
	json_tokener_reset(p->tokener);
	p->joins = false;
	free(p->line);
	p->line = NULL;
	if (whole && json_object_is_type(message, json_type_object))
		return p->sink->take(p->sink, message, p->line_bytes, e);
	json_object_put(message);
	return 0;
}

static int feed_line(struct qmp_parser *p, const char *bytes, size_t length, size_t *used,
		     struct qmp_error *e)
{
	const char *end = memchr(bytes, '\n', length);

	*used = end ? (size_t)(end - bytes) + 1 : length;
	if (p->line_bytes + *used > QMP_MESSAGE_BYTES)
		return qmp_error_set(e, -EPROTO, "the first line is longer than %d MiB",
				     QMP_MESSAGE_BYTES >> 20);
	char *line = realloc(p->line, p->line_bytes + *used);
	if (!line)
		return qmp_error_set(e, -ENOMEM, "no memory for a line of the monitor");
	memcpy(line + p->line_bytes, bytes, *used);
	p->line = line;
	p->line_bytes += *used;
	p->offset += *used;
	return end ? take_line(p, e) : 0;
}

int qmp_parser_feed(struct qmp_parser *p, const char *bytes, size_t length, struct qmp_error *e)
{
	size_t ascii = ascii_span(bytes, length);

	if (p->broken)
		return qmp_error_set(e, -EPROTO, "the bytes before offset %" PRIu64 " were no QMP",
				     p->offset);
	size_t used = 0;
	int r = p->joins && ascii ? feed_line(p, bytes, ascii, &used, e) : 0;
	if (r == 0)
		r = feed_ascii(p, bytes + used, ascii - used, e);
	if (r == 0 && ascii < length)
		r = refuse_byte(p, bytes[ascii], "is not ASCII text", e);
	p->broken = r < 0;
	return r;
}
