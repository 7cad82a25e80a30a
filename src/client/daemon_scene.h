/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both tests of the client need: what the daemon does, and a client that asks it. */
#pragma once

#include "client/daemon_peer.h"
#include "vmguard/client.h"
#include "vmguard/clock.h"
#include "vmguard/json_add.h"
#include "vmguard/json_text.h"

enum { LONG_MS = 3600000 };

static struct daemon_peer peer;
static struct client *client;
static int stop;
static atomic_uint handled;
static struct api_stream *stream;

/* ---- the daemon's side: its thread ----------------------------------------------------------- */

static void say_hello(void *context, struct api_request *r)
{
	struct json_object *o = json_object_new_object();

	(void)context;
	handled++;
	json_add_text(o, "name", api_param(r, "name"));
	json_add_text(o, "who", api_who(r));
	api_answer_json(r, 200, o);
}

static void give_back(void *context, struct api_request *r)
{
	(void)context;
	handled++;
	api_answer_json(r, 201, json_object_get(api_body(r)));
}

static void answer_nothing(void *context, struct api_request *r)
{
	(void)context;
	api_answer_empty(r);
}

static void fail_it(void *context, struct api_request *r)
{
	struct fault f;

	(void)context;
	fault_set(&f, -ESTALE, "the policy of web1 was changed meanwhile: read it again");
	api_answer_fault(r, &f);
}

static void say_text(void *context, struct api_request *r)
{
	(void)context;
	api_answer_text(r, 200, "text/plain", "vmguard_store_up 1\n");
}

static void forget(void *context)
{
	(void)context;
}

static void wait_for_ever(void *context, struct api_request *r)
{
	(void)context;
	api_answer_later(r, forget, NULL);
}

static void stop_client(void *context, struct api_request *r)
{
	wait_for_ever(context, r);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static void forget_stream(void *context, struct api_stream *s)
{
	(void)context;
	if (stream == s)
		stream = NULL;
}

static const struct api_follower follower = {NULL, forget_stream, NULL};

/* The three after the last id, and then the end where that is asked for. */
static void follow(void *context, struct api_request *r)
{
	const char *after = api_last_event_id(r), *ends = api_query(r, "ends");
	unsigned long number = after ? strtoul(after, NULL, 10) : 0;
	bool is_last = ends;
	char id[32];

	(void)context;
	stream = api_answer_stream(r, &follower);
	for (int i = 0; stream && i < 3; i++) {
		snprintf(id, sizeof(id), "%lu", ++number);
		api_stream_send(stream, id, "checkpoint-taken", "{\"guest\":\"web1\"}");
	}
	if (stream && is_last)
		api_stream_end(stream);
}

static const struct api_route routes[] = {
	{"GET", "/v1/guests/{name}", NULL, API_BODY_NONE, {NULL}, say_hello},
	{"DELETE", "/v1/guests/{name}", NULL, API_BODY_NONE, {NULL}, answer_nothing},
	{"PATCH", "/v1/guests/{name}", NULL, API_BODY_MUST, {NULL}, fail_it},
	{"POST", "/v1/echo", NULL, API_BODY_MUST, {NULL}, give_back},
	{"GET", "/v1/slow", NULL, API_BODY_NONE, {NULL}, wait_for_ever},
	{"GET", "/v1/stop", NULL, API_BODY_NONE, {NULL}, stop_client},
	{"GET", "/v1/events", "ends", API_BODY_NONE, {"text/event-stream"}, follow},
	{"GET", "/metrics", NULL, API_BODY_NONE, {"text/plain"}, say_text},
};

static inline struct api_options options_of(int64_t keep_alive_ms)
{
	return (struct api_options){
		.socket = socket_path,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.keep_alive_ms = keep_alive_ms,
	};
}

/* ---- the client's side ----------------------------------------------------------------------- */

static void open_client(struct client_options options)
{
	if (!options.url)
		options.socket = socket_path;
	options.stop = &stop;
	int r = client_open(&options, &client, &fault);
	ck_assert_msg(r == 0, "%s", fault.text);
}

static void reset(void)
{
	stop = 0;
	handled = 0;
	client = NULL;
	peer_folder();
}

static void begin(struct client_options options)
{
	struct api_options served = options_of(LONG_MS);

	reset();
	peer_open(&peer, &served, NULL);
	open_client(options);
}

static void end(void)
{
	client_close(client);
	peer_close(&peer);
	ck_assert_int_eq(rmdir(folder), 0);
}

static inline struct json_object *must_ask(const char *method, const char *path,
					   struct json_object *body)
{
	struct json_object *o = NULL;
	int r = client_ask(client, method, path, body, &o, &fault);

	ck_assert_msg(r == 0, "%s %s: %s", method, path, fault.text);
	return o;
}

static void must_fail(const char *method, const char *path, int code, const char *words)
{
	struct json_object *o = NULL;
	int r = client_ask(client, method, path, NULL, &o, &fault);

	ck_assert_msg(r == code, "%s %s: %d: %s", method, path, r, r ? fault.text : "");
	ck_assert_int_eq(fault.code, code);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
	ck_assert_ptr_null(o);
}

static void must_hear_from(const char *who)
{
	auto_of(json_object_put) struct json_object *o = must_ask("GET", "/v1/guests/web1", NULL);

	ck_assert_str_eq(json_text_member(o, "who"), who);
}

static inline const char *us(void)
{
	static char who[32];

	snprintf(who, sizeof(who), "uid %u", getuid());
	return who;
}

static void begin_saying(const char *says)
{
	reset();
	peer_open_saying(&peer, says);
	open_client((struct client_options){0});
}

static char seen[256]; /* "id kind" and a ; each */
static unsigned enough;

static int note(void *context, const struct client_event *e)
{
	size_t used = strlen(seen);

	ck_assert_ptr_eq(context, &enough);
	snprintf(seen + used, sizeof(seen) - used, "%s %s;", e->id, e->kind);
	return --enough ? 0 : -EXFULL;
}

static int follow_until(const char *path, const char *after, unsigned count)
{
	*seen = 0;
	enough = count;
	fault = (struct fault){0};
	return client_follow(client, path, after, note, &enough, &fault);
}
