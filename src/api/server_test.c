/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests as they should be, and as they should not. */
#include <sys/stat.h>

#include "api/http_peer.h"
#include "vmguard/json_text.h"

static struct api_request *kept;
static unsigned gone;

static void say_hello(void *context, struct api_request *r)
{
	const char *greeting = api_query(r, "greeting");

	ck_assert_ptr_eq(context, &kept);
	api_answer_header(r, "ETag", "\"7\"");
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "name", json_object_new_string(api_param(r, "name")));
	json_object_object_add(o, "greeting", json_object_new_string(greeting ? greeting : "-"));
	json_object_object_add(o, "who", json_object_new_string(api_who(r)));
	json_object_object_add(o, "method", json_object_new_string(api_method(r)));
	api_answer_json(r, 200, o);
}

static void give_back(void *context, struct api_request *r)
{
	(void)context;
	if (api_body(r))
		api_answer_json(r, 201, json_object_get(api_body(r)));
	else
		api_answer_empty(r);
}

static void show_page(void *context, struct api_request *r)
{
	static const char page[] = "<p>hello";

	(void)context;
	if (!strcmp(api_type(r), "text/html"))
		api_answer_static(r, "text/html; charset=utf-8", page, sizeof(page) - 1);
	else
		api_answer_text(r, 200, api_type(r), "hello\n");
}

static void forget_gone(void *context)
{
	ck_assert_ptr_eq(context, &gone);
	gone++;
	kept = NULL;
}

static void keep(void *context, struct api_request *r)
{
	(void)context;
	kept = r;
	api_answer_later(r, forget_gone, &gone);
}

static void fail_it(void *context, struct api_request *r)
{
	struct fault f;

	(void)context;
	fault_set(&f, -ENOENT, "guest \xff has\nno checkpoint 42; see vmguard snapshots");
	api_answer_fault(r, &f);
}

static void do_nothing(void *context, struct api_request *r)
{
	(void)context;
	(void)r;
}

static const struct api_route routes[] = {
	{"GET", "/", NULL, API_BODY_NONE, {"text/html", "text/plain"}, show_page},
	{"GET", "/v1/hello/{name}", "greeting", API_BODY_NONE, {NULL}, say_hello},
	{"POST", "/v1/echo", NULL, API_BODY_MUST, {NULL}, give_back},
	{"PUT", "/v1/echo", NULL, API_BODY_MAY, {NULL}, give_back},
	{"GET", "/v1/later", NULL, API_BODY_NONE, {"text/plain"}, keep},
	{"GET", "/v1/fault", NULL, API_BODY_NONE, {NULL}, fail_it},
	{"GET", "/v1/nothing", NULL, API_BODY_NONE, {NULL}, do_nothing},
};

static void begin(void)
{
	struct api_options options = {
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.context = &kept,
		.body_bytes = 1024,
	};

	gone = 0;
	kept = NULL;
	peer_open(&options);
}

static bool has(const char *text)
{
	return strstr(answer, text);
}

/* A problem with all that RFC 9457 wants; its detail has these words. */
static void must_refuse(unsigned status, const char *request, const char *words)
{
	struct json_object *o = NULL;

	peer_ask(request);
	ck_assert_msg(peer_status() == status, "%s\n%s", request, answer);
	ck_assert_msg(has("Content-Type: application/problem+json"), "%s", answer);
	const char *body = peer_body();
	ck_assert_msg(json_text_read(body, strlen(body), &o, &fault) == 0, "%s", body);
	ck_assert_str_eq(json_text_member(o, "type"), "about:blank");
	ck_assert_ptr_nonnull(json_text_member(o, "title"));
	ck_assert_int_eq(json_object_get_int(json_object_object_get(o, "status")), status);
	ck_assert_msg(strstr(json_text_member(o, "detail"), words), "%s", body);
	json_object_put(o);
}

START_TEST(answers_with_what_was_asked)
{
	char who[64];

	begin();
	peer_ask("GET /v1/hello/web%2f1?greeting=good+day HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 200);
	ck_assert(has("Content-Type: application/json\r\n"));
	ck_assert(has("ETag: \"7\"\r\n"));
	ck_assert(has("X-Content-Type-Options: nosniff\r\n"));
	snprintf(who, sizeof(who), "\"who\":\"uid %u\"", (unsigned)getuid());
	ck_assert_msg(has(who), "%s", answer);
	ck_assert_msg(has("\"name\":\"web/1\",\"greeting\":\"good day\""), "%s", answer);
	peer_close();
}
END_TEST

START_TEST(answers_at_any_cut_of_the_request)
{
	static const char request[] =
		"PUT /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: "
		"application/json\r\nContent-Length: 10\r\n\r\n{\"a\": \"b\"}";

	begin();
	int fd = peer_connect();
	for (const char *c = request; *c; c++) {
		peer_send_bytes(fd, c, 1);
		peer_work(0);
	}
	peer_answer(fd);
	ck_assert_uint_eq(peer_status(), 201);
	ck_assert_str_eq(peer_body(), "{\"a\":\"b\"}");
	close(fd);
	peer_close();
}
END_TEST

START_TEST(a_connection_serves_many_requests)
{
	struct api_counts counts;

	begin();
	int fd = peer_connect();
	for (int i = 0; i < 50; i++) {
		peer_send(fd, "GET /v1/hello/web1 HTTP/1.1\r\nHost: x\r\n\r\n");
		peer_answer(fd);
		ck_assert_uint_eq(peer_status(), 200);
		peer_send(fd, "GET /v1/fault HTTP/1.1\r\nHost: x\r\n\r\n");
		peer_answer(fd);
		ck_assert_uint_eq(peer_status(), 404);
	}
	api_counts(api, &counts);
	ck_assert_uint_eq(counts.connections, 1);
	ck_assert_uint_eq(counts.requests, 100);
	ck_assert_uint_eq(counts.refused, 50);
	close(fd);
	peer_close();
}
END_TEST

START_TEST(head_and_options_come_with_the_table)
{
	begin();
	peer_ask("HEAD /v1/hello/web1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 200);
	ck_assert(has("Content-Length: "));
	ck_assert_str_eq(peer_body(), "");
	peer_ask("OPTIONS /v1/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 204);
	ck_assert(has("Allow: POST, PUT, OPTIONS\r\n"));
	peer_ask("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 204);
	peer_close();
}
END_TEST

START_TEST(refuses_what_is_not_there)
{
	begin();
	must_refuse(404, "GET /v2/hello HTTP/1.1\r\nHost: x\r\n\r\n", "nothing at /v2/hello");
	ck_assert(has("\"instance\":\"/v2/hello\""));
	must_refuse(405, "DELETE /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n", "POST, PUT, OPTIONS");
	ck_assert(has("Allow: POST, PUT, OPTIONS\r\n"));
	must_refuse(405, "BREW /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n", "BREW");
	must_refuse(400, "GET /v1/hello/web1?greting=x HTTP/1.1\r\nHost: x\r\n\r\n", "greting");
	must_refuse(400, "GET /v1/hello/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "hexadecimal");
	must_refuse(400, "GET /v1/hello/%ff HTTP/1.1\r\nHost: x\r\n\r\n", "UTF-8");
	must_refuse(500, "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", "nobody answered");
	peer_close();
}
END_TEST

START_TEST(speaks_the_type_that_is_wanted)
{
	begin();
	peer_ask("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/plain, */*;q=0.1\r\n\r\n");
	ck_assert_str_eq(peer_body(), "hello\n");
	ck_assert(has("Content-Type: text/plain\r\n"));
	peer_ask("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n");
	ck_assert_str_eq(peer_body(), "<p>hello");
	must_refuse(406, "GET / HTTP/1.1\r\nHost: x\r\nAccept: image/png\r\n\r\n",
		    "text/html, text/plain");
	must_refuse(406, "GET /v1/fault HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n",
		    "application/json");
	peer_close();
}
END_TEST

START_TEST(takes_json_and_nothing_else)
{
#define POST "POST /v1/echo HTTP/1.1\r\nHost: x\r\n"
#define JSON "Content-Type: application/json\r\n"
	begin();
	peer_ask(POST "Content-Type: application/json; charset=utf-8\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 201);
	ck_assert_str_eq(peer_body(), "{\"a\":1}");
	peer_ask("PUT /v1/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 204);
	must_refuse(400, POST "\r\n", "needs a JSON object");
	must_refuse(400, POST "Content-Length: 0\r\n\r\n", "needs a JSON object");
	must_refuse(415, POST "Content-Length: 2\r\n\r\n{}", "application/json");
	must_refuse(415, POST "Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}", "text/xml");
	must_refuse(415, POST JSON "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "gzip");
	must_refuse(400, POST JSON "Content-Length: 1\r\n\r\n{", "too early");
	must_refuse(400, POST JSON "Content-Length: 2\r\n\r\n[]", "no object");
	must_refuse(400, POST JSON "Content-Length: 9\r\n\r\n{\"a\":\"\xff\"}", "no JSON");
	must_refuse(415, "GET / HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 2\r\n\r\n{}",
		    "takes no body");
	peer_close();
}
END_TEST

START_TEST(bounds_what_it_reads)
{
	static char big[64 << 10];
	char request[256];

	begin();
	memset(big, ' ', sizeof(big) - 1);
	/* The whole body is sent before the answer is looked at, as simple clients do. */
	for (int chunked = 0; chunked <= 1; chunked++) {
		int fd = peer_connect();

		snprintf(request, sizeof(request), POST JSON "%s%zu\r\n\r\n%s",
			 chunked ? "Transfer-Encoding: chunked\r\nX-Bytes: " : "Content-Length: ",
			 sizeof(big) - 1, chunked ? "ffff\r\n" : "");
		peer_send(fd, request);
		peer_send(fd, big);
		peer_send(fd, chunked ? "\r\n0\r\n\r\n" : "");
		peer_answer(fd);
		ck_assert_msg(peer_status() == 413, "%s", answer);
		ck_assert(has("1024 bytes"));
		close(fd);
	}
	must_refuse(413, POST JSON "Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n", "1024");
	must_refuse(413, POST JSON "Content-Length: 99999999999\r\n\r\n", "1024");
	int fd = peer_connect();
	peer_send(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
	peer_send_bytes(fd, big, 12000);
	peer_send(fd, "y\r\n\r\n");
	peer_answer(fd);
	ck_assert_msg(peer_status() == 431, "%s", answer);
	ck_assert(has("application/problem+json"));
	close(fd);
	peer_close();
}
END_TEST

START_TEST(lets_who_asks_first_go_on)
{
	begin();
	int fd = peer_connect();
	peer_send(fd, POST JSON "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	peer_forget();
	ck_assert(peer_wait_for(fd, "100 Continue\r\n\r\n"));
	peer_send(fd, "{}");
	peer_answer(fd);
	ck_assert_uint_eq(peer_status(), 201);
	close(fd);
	peer_close();
}
END_TEST

START_TEST(pages_of_other_sites_only_read)
{
	begin();
	must_refuse(403, POST JSON "Sec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}",
		    "other sites");
	peer_ask(POST JSON "Sec-Fetch-Site: same-origin\r\nContent-Length: 2\r\n\r\n{}");
	ck_assert_uint_eq(peer_status(), 201);
	peer_ask("GET / HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\n\r\n");
	ck_assert_uint_eq(peer_status(), 200);
	peer_close();
}
END_TEST

START_TEST(a_fault_becomes_a_problem)
{
	begin();
	must_refuse(404, "GET /v1/fault HTTP/1.1\r\nHost: x\r\n\r\n",
		    "guest ? has?no checkpoint 42; see vmguard snapshots");
	ck_assert(has("\"code\":\"ENOENT\""));
	ck_assert(has("\"title\":\"Not Found\""));
	ck_assert_uint_eq(api_status_of(-EBUSY), 409);
	ck_assert_uint_eq(api_status_of(-EIO), 500);
	peer_close();
}
END_TEST

START_TEST(an_answer_may_come_later)
{
	begin();
	int fd = peer_connect();
	peer_send(fd, "GET /v1/later HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!kept)
		peer_work(100);
	dispatches = 0;
	for (int64_t end_ms = monotonic_ms() + 50; monotonic_ms() < end_ms;)
		peer_work(50);
	ck_assert_uint_le(dispatches, 5); /* it does not spin */
	ck_assert_str_eq(peer_ask("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n")
				 ? peer_body()
				 : "",
			 "hello\n");
	api_answer_text(kept, 200, "text/plain", "at last\n");
	peer_answer(fd);
	ck_assert_str_eq(peer_body(), "at last\n");
	ck_assert_uint_eq(gone, 0);
	peer_send(fd, "GET /v1/fault HTTP/1.1\r\nHost: x\r\n\r\n");
	peer_answer(fd);
	ck_assert_uint_eq(peer_status(), 404);
	close(fd);
	peer_close();
	ck_assert_uint_eq(gone, 0);
}
END_TEST

START_TEST(says_when_nobody_waits_for_it_any_more)
{
	begin();
	int fd = peer_connect();
	peer_send(fd, "GET /v1/later HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!kept)
		peer_work(100);
	close(fd);
	while (!gone)
		peer_work(1000);
	ck_assert_uint_eq(gone, 1);
	fd = peer_connect();
	peer_send(fd, "GET /v1/later HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!kept)
		peer_work(100);
	peer_close(); /* the server ends */
	ck_assert_uint_eq(gone, 2);
	close(fd);
}
END_TEST

START_TEST(one_server_has_the_socket)
{
	struct api_options options = {.routes = routes, .route_count = 1};
	struct api *other = NULL;
	struct stat status;

	begin();
	ck_assert_int_eq(stat(socket_path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0660);
	options.socket = socket_path;
	ck_assert_int_eq(api_open(&options, &other, &fault), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(fault.text, "another process answers"));
	options.group = "no-such-group";
	ck_assert_int_eq(api_open(&options, &other, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "groupadd --system no-such-group"));
	peer_close();
	/* One that was killed leaves its socket behind. */
	peer_folder();
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, socket_path);
	int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	close(dead);
	options.group = NULL;
	ck_assert_int_eq(api_open(&options, &api, &fault), 0);
	peer_close();
}
END_TEST

UNIT_MAIN("api/server", answers_with_what_was_asked, answers_at_any_cut_of_the_request,
	  a_connection_serves_many_requests, head_and_options_come_with_the_table,
	  refuses_what_is_not_there, speaks_the_type_that_is_wanted, takes_json_and_nothing_else,
	  bounds_what_it_reads, lets_who_asks_first_go_on, pages_of_other_sites_only_read,
	  a_fault_becomes_a_problem, an_answer_may_come_later,
	  says_when_nobody_waits_for_it_any_more, one_server_has_the_socket)
