/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams, and those who follow them: quick, slow, gone. */
#include "api/http_peer.h"

enum { QUEUE_BYTES = 4096, KEEP_ALIVE_MS = 20, LONG_MS = 3600000 };

static struct api_stream *stream;
static unsigned rooms, closings;
static char last_id[32];
static unsigned next_number, numbers; /* that are sent as there is room */

static void send_numbers(void)
{
	char id[16];

	while (next_number < numbers) {
		snprintf(id, sizeof(id), "%u", next_number);
		int r = api_stream_send(stream, id, "number", "some text that fills the queue");
		if (r == -EAGAIN)
			return;
		ck_assert_int_eq(r, 0);
		next_number++;
	}
}

static void note_room(void *context, struct api_stream *s)
{
	ck_assert_ptr_eq(context, &stream);
	ck_assert_ptr_eq(s, stream);
	rooms++;
	send_numbers();
}

static void note_closed(void *context, struct api_stream *s)
{
	ck_assert_ptr_eq(context, &stream);
	ck_assert_ptr_eq(s, stream);
	ck_assert_int_eq(api_stream_send(s, NULL, NULL, "x"), -EPIPE);
	closings++;
	stream = NULL;
}

static void follow(void *context, struct api_request *r)
{
	static const struct api_follower follower = {note_room, note_closed, &stream};

	(void)context;
	snprintf(last_id, sizeof(last_id), "%s",
		 api_last_event_id(r) ? api_last_event_id(r) : "none");
	stream = api_answer_stream(r, &follower);
	ck_assert_ptr_nonnull(stream);
}

static const struct api_route routes[] = {
	{"GET", "/v1/events", NULL, API_BODY_NONE, {"text/event-stream"}, follow},
};

static void begin(int64_t keep_alive_ms)
{
	struct api_options options = {
		.routes = routes,
		.route_count = 1,
		.stream_bytes = QUEUE_BYTES,
		.keep_alive_ms = keep_alive_ms,
	};

	stream = NULL;
	rooms = closings = next_number = numbers = 0;
	peer_open(&options);
}

static int begin_stream(const char *headers)
{
	char request[256];
	int fd = peer_connect();

	snprintf(request, sizeof(request), "GET /v1/events HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
	peer_send(fd, request);
	peer_forget();
	ck_assert(peer_wait_for(fd, "\r\n\r\n")); /* before there is any event */
	ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/event-stream\r\n"));
	return fd;
}

START_TEST(events_arrive_as_they_are_sent)
{
	begin(LONG_MS);
	int fd = begin_stream("Last-Event-ID: 41\r\n");
	ck_assert_str_eq(last_id, "41");
	ck_assert_int_eq(api_stream_send(stream, "42", "checkpoint-taken", "{\"a\":1}"), 0);
	ck_assert(peer_wait_for(fd, "id: 42\nevent: checkpoint-taken\ndata: {\"a\":1}\n\n"));
	ck_assert_int_eq(api_stream_send(stream, NULL, NULL, "two\r\nlines\n"), 0);
	ck_assert(peer_wait_for(fd, "\ndata: two\ndata: lines\ndata: \n\n"));
	ck_assert_int_eq(api_stream_send(stream, "4\n3", "a\rb", ""), 0);
	ck_assert(peer_wait_for(fd, "id: 4\nevent: a\ndata: \n\n"));
	dispatches = 0;
	for (int64_t end_ms = monotonic_ms() + 50; monotonic_ms() < end_ms;)
		peer_work(50);
	ck_assert_uint_le(dispatches, 5); /* it does not spin */
	close(fd);
	peer_close();
	ck_assert_uint_eq(closings, 1);
}
END_TEST

START_TEST(either_side_ends_it)
{
	begin(LONG_MS);
	int fd = begin_stream("");
	ck_assert_str_eq(last_id, "none");
	api_stream_send(stream, NULL, NULL, "the last");
	api_stream_end(stream);
	ck_assert_int_eq(api_stream_send(stream, NULL, NULL, "too late"), -EPIPE);
	ck_assert(peer_wait_for(fd, "data: the last\n\n\r\n0\r\n\r\n"));
	while (stream)
		peer_work(100);
	close(fd);
	fd = begin_stream("");
	close(fd);
	while (stream) /* noticed although nothing is written */
		peer_work(1000);
	fd = begin_stream("");
	peer_close();
	ck_assert_uint_eq(closings, 3);
	close(fd);
}
END_TEST

START_TEST(a_slow_reader_loses_nothing)
{
	begin(LONG_MS);
	int fd = begin_stream("");
	numbers = 20000; /* far more than the queue and the socket hold */
	send_numbers();
	ck_assert_uint_lt(next_number, numbers);
	for (int i = 0; i < 20; i++)
		peer_work(0);
	ck_assert_uint_lt(next_number, numbers); /* the reader does not read */
	for (unsigned i = 0; i < numbers; i++) {
		char event[64];

		snprintf(event, sizeof(event), "id: %u\nevent: number\n", i);
		ck_assert_msg(peer_wait_for(fd, event), "%s", event);
		if (i % 1000 == 999) {
			/* Only what follows is still looked at. */
			char *rest = strstr(answer, event);

			answer_bytes -= rest - answer;
			memmove(answer, rest, answer_bytes + 1);
		}
	}
	ck_assert_uint_gt(rooms, 10);
	close(fd);
	peer_close();
}
END_TEST

START_TEST(what_is_larger_than_the_queue_is_refused)
{
	char big[QUEUE_BYTES + 1];

	begin(LONG_MS);
	int fd = begin_stream("");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	ck_assert_int_eq(api_stream_send(stream, NULL, NULL, big), -EMSGSIZE);
	ck_assert_int_eq(api_stream_send(stream, NULL, NULL, "small"), 0);
	ck_assert(peer_wait_for(fd, "data: small\n\n"));
	close(fd);
	peer_close();
}
END_TEST

START_TEST(a_silent_stream_is_kept_alive)
{
	begin(KEEP_ALIVE_MS);
	int fd = begin_stream("");
	ck_assert(peer_wait_for(fd, "\r\n:\n\n\r\n"));
	peer_forget();
	ck_assert(peer_wait_for(fd, "\r\n:\n\n\r\n"));
	ck_assert_ptr_nonnull(stream);
	close(fd);
	peer_close();
}
END_TEST

START_TEST(who_never_reads_is_left)
{
	begin(KEEP_ALIVE_MS);
	int fd = begin_stream("");
	numbers = 20000;
	send_numbers();
	while (stream) {
		peer_work(100);
	}
	ck_assert_uint_eq(closings, 1);
	ck_assert_uint_lt(next_number, numbers);
	close(fd);
	peer_close();
}
END_TEST

START_TEST(a_head_request_opens_no_stream_for_long)
{
	begin(LONG_MS);
	int fd = peer_connect();
	peer_send(fd, "HEAD /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	peer_forget();
	peer_wait_end(fd);
	ck_assert_uint_eq(peer_status(), 200);
	ck_assert_uint_eq(closings, 1);
	close(fd);
	peer_close();
}
END_TEST

UNIT_MAIN("api/stream", events_arrive_as_they_are_sent, either_side_ends_it,
	  a_slow_reader_loses_nothing, what_is_larger_than_the_queue_is_refused,
	  a_silent_stream_is_kept_alive, who_never_reads_is_left,
	  a_head_request_opens_no_stream_for_long)
