/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that are too many, too slow, or do not listen. */
#include <sys/resource.h>

#include "api/http_peer.h"

enum { IDLE = 1000, BIG_BYTES = 8 << 20 };

static unsigned held;
static char *big;

static void note_closed(void *context, struct api_stream *s)
{
	(void)context;
	(void)s;
	held--;
}

static void follow(void *context, struct api_request *r)
{
	static const struct api_follower follower = {.closed = note_closed};

	(void)context;
	if (api_answer_stream(r, &follower))
		held++;
}

static void say_hello(void *context, struct api_request *r)
{
	(void)context;
	api_answer_text(r, 200, "text/plain", "hello\n");
}

static void say_much(void *context, struct api_request *r)
{
	(void)context;
	api_answer_static(r, "text/plain", big, BIG_BYTES);
}

static const struct api_route routes[] = {
	{"GET", "/", NULL, API_BODY_NONE, {"text/plain"}, say_hello},
	{"POST", "/", NULL, API_BODY_MAY, {"text/plain"}, say_hello},
	{"GET", "/big", NULL, API_BODY_NONE, {"text/plain"}, say_much},
	{"GET", "/events", NULL, API_BODY_NONE, {"text/event-stream"}, follow},
};

static void begin(struct api_options options)
{
	options.routes = routes;
	options.route_count = sizeof(routes) / sizeof(routes[0]);
	held = 0;
	peer_open(&options);
}

static void must_say_hello(void)
{
	peer_ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 200);
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_uint_gt(limit.rlim_cur, 2 * IDLE);
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

START_TEST(a_thousand_idle_connections_do_no_harm)
{
	static int idle[IDLE];
	struct api_counts counts;

	allow_descriptors();
	begin((struct api_options){0});
	int follower = peer_connect();
	peer_send(follower, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!held)
		peer_work(100);
	long before_kib = resident_kib();
	for (int i = 0; i < IDLE; i++) {
		idle[i] = peer_connect();
		if (i % 2) /* half of them never say anything, half of them did */
			peer_send(idle[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	must_say_hello();
	api_counts(api, &counts);
	ck_assert_uint_le(counts.connections, API_CONNECTIONS);
	ck_assert_uint_gt(counts.closed_for_room, IDLE - API_CONNECTIONS - 2);
	ck_assert_uint_eq(counts.streams, 1);
	ck_assert_uint_eq(held, 1);
	ck_assert(SANITIZED || resident_kib() - before_kib < 16 << 10);
	for (int i = 0; i < IDLE; i++)
		close(idle[i]);
	must_say_hello();
	close(follower);
	peer_close();
	ck_assert_uint_eq(held, 0);
}
END_TEST

START_TEST(who_comes_when_all_are_at_work_is_told)
{
	int followers[3];

	begin((struct api_options){.connections_max = 3});
	for (unsigned i = 0; i < 3; i++) {
		followers[i] = peer_connect();
		peer_send(followers[i], "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
		while (held <= i)
			peer_work(100);
	}
	peer_ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 503);
	ck_assert_ptr_nonnull(strstr(answer, "Retry-After: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(answer, "there are 3 connections, all at work"));
	ck_assert_uint_eq(held, 3);
	close(followers[0]);
	while (held > 2)
		peer_work(100);
	must_say_hello();
	close(followers[1]);
	close(followers[2]);
	peer_close();
}
END_TEST

/* A byte at a time until it is closed. */
static void dribble(const char *request, const char *again)
{
	struct api_counts counts;
	const char *c = request;
	int64_t end_ms = monotonic_ms() + PEER_LIMIT_MS;

	peer_forget();
	int fd = peer_connect();
	while (peer_take(fd)) {
		ck_assert_int_lt(monotonic_ms(), end_ms);
		peer_send_bytes(fd, c, 1);
		c = c[1] ? c + 1 : again;
		peer_work(2);
		poll(NULL, 0, 1);
	}
	api_counts(api, &counts);
	ck_assert_uint_eq(counts.timed_out, 1);
	close(fd);
	must_say_hello();
	peer_close();
}

START_TEST(who_never_gets_to_the_end_of_a_line_is_closed)
{
	begin((struct api_options){.idle_ms = 100});
	dribble("GET /", "x");
}
END_TEST

START_TEST(who_never_gets_to_the_end_of_the_headers_is_closed)
{
	begin((struct api_options){.request_ms = 100});
	dribble("GET / HTTP/1.1\r\nHost: x\r\n", "X: y\r\n");
}
END_TEST

START_TEST(who_never_gets_to_the_end_of_a_body_is_closed)
{
	begin((struct api_options){.request_ms = 100});
	dribble("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		"Content-Length: 60000\r\n\r\n",
		" ");
}
END_TEST

START_TEST(who_does_not_read_his_answer_is_closed)
{
	struct api_counts counts = {0};

	big = calloc(1, BIG_BYTES);
	begin((struct api_options){.answer_ms = 100});
	int fd = peer_connect();
	peer_send(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!counts.timed_out) {
		peer_work(1000);
		api_counts(api, &counts);
	}
	close(fd);
	must_say_hello();
	peer_close();
	free(big);
}
END_TEST

START_TEST(a_quiet_server_sleeps)
{
	begin((struct api_options){0});
	ck_assert_int_eq(api_timeout_ms(api), -1);
	must_say_hello();
	while (api_timeout_ms(api) == 0)
		peer_work(0);
	ck_assert_int_eq(api_timeout_ms(api), -1);
	int fd = peer_connect();
	peer_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	peer_answer(fd);
	peer_work(0);
	ck_assert_int_gt(api_timeout_ms(api), API_IDLE_MS / 2);
	close(fd);
	peer_close();
}
END_TEST

UNIT_MAIN("api/limits", a_thousand_idle_connections_do_no_harm,
	  who_comes_when_all_are_at_work_is_told, who_never_gets_to_the_end_of_a_line_is_closed,
	  who_never_gets_to_the_end_of_the_headers_is_closed,
	  who_never_gets_to_the_end_of_a_body_is_closed, who_does_not_read_his_answer_is_closed,
	  a_quiet_server_sleeps)
