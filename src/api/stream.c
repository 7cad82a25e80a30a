/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
 *
 *	api_stream_send() ──> bytes that wait ──read_some()──> libmicrohttpd ──> the client
 *	                          │
 *	                          └─ more than there is room for: -EAGAIN, later room()
 *
 * Nothing is dropped here: who sends knows best what a slow reader can do without.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "vmguard/clock.h"

enum { BLOCK_BYTES = 16 << 10, SILENT_ROUNDS = 3 };

struct api_stream {
	struct api_request *request;
	struct api_follower follower;
	char *bytes;
	size_t first, used, allocated; /* what waits is used bytes from first on */
	bool wants_room, is_ended;
	unsigned unread_rounds; /* of keep_alive_ms in which nothing of what waits was read */
	int64_t since_ms;	/* the last round, or event */
	struct api_stream *before, *after;
};

/* ---- the list, the longest silent first ------------------------------------------------------ */

static void unlink_it(struct api *api, struct api_stream *s)
{
	*(s->before ? &s->before->after : &api->first_stream) = s->after;
	*(s->after ? &s->after->before : &api->last_stream) = s->before;
}

static void append(struct api *api, struct api_stream *s)
{
	s->since_ms = monotonic_ms();
	s->after = NULL;
	s->before = api->last_stream;
	*(s->before ? &s->before->after : &api->first_stream) = s;
	api->last_stream = s;
}

/* ---- towards the client ---------------------------------------------------------------------- */

static void tell_room(struct api_stream *s)
{
	if (!s->wants_room || s->used > s->request->api->options.stream_bytes / 2)
		return;
	s->wants_room = false;
	if (s->follower.room)
		s->follower.room(s->follower.context, s);
}

/* libmicrohttpd can send; where there is nothing, it waits until request_wake(). */
static ssize_t read_some(void *stream, uint64_t at, char *to, size_t room)
{
	struct api_stream *s = stream;
	size_t count = s->used < room ? s->used : room;

	(void)at;
	if (s->request->is_left)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!count && s->is_ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!count) {
		s->request->is_suspended = true;
		MHD_suspend_connection(s->request->mhd);
		return 0;
	}
	memcpy(to, s->bytes + s->first, count);
	s->first += count;
	s->used -= count;
	s->unread_rounds = 0;
	tell_room(s);
	return (ssize_t)count;
}

struct api_stream *api_answer_stream(struct api_request *r, const struct api_follower *follower)
{
	struct api_stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *response =
		s ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_some, s,
						      NULL)
		  : NULL;

	if (!response) {
		free(s);
		answer_with(r, MHD_HTTP_OK, NULL);
		return NULL;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
	s->request = r;
	s->follower = *follower;
	append(r->api, s);
	r->api->streams++;
	r->stream = s;
	answer_with(r, MHD_HTTP_OK, response);
	return s;
}

void stream_free(struct api_stream *s)
{
	struct api *api = s->request->api;

	s->is_ended = true;
	if (s->follower.closed)
		s->follower.closed(s->follower.context, s);
	unlink_it(api, s);
	api->streams--;
	free(s->bytes);
	free(s);
}

/* ---- what is sent ---------------------------------------------------------------------------- */

/* A line's end within data begins another line of data; none of the others can have one. */
static void write_field(FILE *to, const char *name, const char *value)
{
	while (true) {
		size_t bytes = strcspn(value, "\r\n");

		fprintf(to, "%s: %.*s\n", name, (int)bytes, value);
		value += bytes;
		if (!*value)
			return;
		value += value[0] == '\r' && value[1] == '\n' ? 2 : 1;
	}
}

static char *event_text(const char *id, const char *event, const char *data, size_t *bytes)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, bytes);

	if (!to)
		return NULL;
	if (id)
		fprintf(to, "id: %.*s\n", (int)strcspn(id, "\r\n"), id);
	if (event)
		fprintf(to, "event: %.*s\n", (int)strcspn(event, "\r\n"), event);
	write_field(to, "data", data);
	fputc('\n', to);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* What waits moves to the front; the room grows with it, so that a quiet stream costs nothing. */
static int make_room(struct api_stream *s, size_t bytes)
{
	size_t room = s->allocated ? s->allocated : 1024;

	if (s->first)
		memmove(s->bytes, s->bytes + s->first, s->used);
	s->first = 0;
	while (room < s->used + bytes)
		room *= 2;
	if (room == s->allocated)
		return 0;
	char *grown = realloc(s->bytes, room);
	if (!grown)
		return -ENOMEM;
	s->bytes = grown;
	s->allocated = room;
	return 0;
}

static int append_bytes(struct api_stream *s, const char *bytes, size_t count)
{
	if (s->first + s->used + count > s->allocated && make_room(s, count) < 0)
		return -ENOMEM;
	memcpy(s->bytes + s->first + s->used, bytes, count);
	s->used += count;
	request_wake(s->request);
	return 0;
}

int api_stream_send(struct api_stream *s, const char *id, const char *event, const char *data)
{
	struct api *api = s->request->api;
	size_t bytes = 0;

	if (s->is_ended || s->request->is_left)
		return -EPIPE;
	auto_free char *text = event_text(id, event, data, &bytes);
	if (!text)
		return -ENOMEM;
	if (bytes > api->options.stream_bytes)
		return -EMSGSIZE;
	s->wants_room = bytes > api->options.stream_bytes - s->used;
	if (s->wants_room)
		return -EAGAIN;
	if (!s->used) {
		unlink_it(api, s);
		append(api, s);
	}
	return append_bytes(s, text, bytes);
}

void api_stream_end(struct api_stream *s)
{
	s->is_ended = true;
	request_wake(s->request);
}

/* ---- silence --------------------------------------------------------------------------------- */

int64_t streams_due_ms(const struct api *api, int64_t now_ms)
{
	if (!api->first_stream)
		return -1;
	int64_t left_ms = api->first_stream->since_ms + api->options.keep_alive_ms - now_ms;
	return left_ms > 0 ? left_ms : 0;
}

void streams_keep_alive(struct api *api, int64_t now_ms)
{
	static const char comment[] = ":\n\n";
	struct api_stream *s;

	while ((s = api->first_stream) && now_ms - s->since_ms >= api->options.keep_alive_ms) {
		unlink_it(api, s);
		append(api, s);
		if (!s->used && !s->is_ended)
			append_bytes(s, comment, sizeof(comment) - 1);
		else if (++s->unread_rounds >= SILENT_ROUNDS)
			connection_close(s->request->connection, now_ms);
	}
}
