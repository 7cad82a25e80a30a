/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The HTTP server in the loop, and the table of what it answers. */
#include "serve.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>

#define STREAM "text/event-stream"

enum {
	CONNECTIONS = 1200,
	STREAM_BYTES = 4 << 20, /* some thousand guests are 2 MiB */
};

static const struct api_route routes[] = {
	{"GET", "/v1/host", NULL, API_BODY_NONE, {NULL}, view_host},
	{"GET", "/v1/guests", NULL, API_BODY_NONE, {"application/json", STREAM}, follow_guests},
	{"GET", "/v1/guests/{name}", NULL, API_BODY_NONE, {NULL}, view_guest},
	{"GET", "/v1/guests/{name}/history", NULL, API_BODY_NONE, {NULL}, view_history},
	{"GET", "/v1/guests/{name}/policy", NULL, API_BODY_NONE, {NULL}, policy_get},
	{"PUT", "/v1/guests/{name}/policy", NULL, API_BODY_MUST, {NULL}, policy_put},
	{"PATCH", "/v1/guests/{name}/policy", NULL, API_BODY_MUST, {NULL}, policy_patch},
	{"DELETE", "/v1/guests/{name}/policy", NULL, API_BODY_NONE, {NULL}, policy_delete},
	{"POST", "/v1/guests/{name}/captures", NULL, API_BODY_NONE, {NULL}, request_capture},
	{"POST", "/v1/guests/{name}/restores", NULL, API_BODY_NONE, {NULL}, request_restore},
	{"GET", "/v1/operations", NULL, API_BODY_NONE, {NULL}, view_operations},
	{"GET",
	 "/v1/operations/{id}",
	 NULL,
	 API_BODY_NONE,
	 {"application/json", STREAM},
	 follow_operation},
	{"DELETE", "/v1/operations/{id}", NULL, API_BODY_NONE, {NULL}, request_cancel},
	{"GET",
	 "/v1/events",
	 "after,limit,guest",
	 API_BODY_NONE,
	 {"application/json", STREAM},
	 follow_events},
	{"GET", "/metrics", NULL, API_BODY_NONE, {"text/plain"}, view_metrics},
	{"GET", "/", NULL, API_BODY_NONE, {"text/html"}, view_page},
	{"GET",
	 "/page/{file}",
	 NULL,
	 API_BODY_NONE,
	 {"text/css", "text/javascript", "image/svg+xml"},
	 view_page},
};

struct guest *serve_guest(struct daemon *d, struct api_request *r)
{
	const char *name = api_param(r, "name");
	struct guest *g = guests_find(d, name);
	struct fault f;

	if (g && g->stage == GUEST_GUARDED)
		return g;
	if (g)
		fault_set(&f, -EAGAIN, "guest %s is being looked at: ask again in a moment", name);
	else
		fault_set(&f, -ENOENT,
			  "guest %s is not protected by the store %s: vmguard protect %s", name,
			  d->config.store, name);
	api_answer_fault(r, &f);
	return NULL;
}

bool serve_wants_stream(const struct api_request *r)
{
	return !strcmp(api_type(r), STREAM);
}

/* ---- in the loop --------------------------------------------------------------------------- */

/* Before the loop sleeps: until when it may. */
static int before_wait(sd_event_source *source, void *daemon)
{
	struct daemon *d = daemon;
	int ms = api_timeout_ms(d->api);

	(void)source;
	if (ms < 0)
		return sd_event_source_set_enabled(d->api_timer, SD_EVENT_OFF);
	sd_event_source_set_time_relative(d->api_timer, (uint64_t)ms * 1000);
	return sd_event_source_set_enabled(d->api_timer, SD_EVENT_ONESHOT);
}

static int on_request(sd_event_source *source, int fd, uint32_t events, void *daemon)
{
	struct daemon *d = daemon;

	(void)source;
	(void)fd;
	(void)events;
	api_dispatch(d->api);
	daemon_step(d);
	return 0;
}

static int on_api_time(sd_event_source *source, uint64_t us, void *daemon)
{
	struct daemon *d = daemon;

	(void)source;
	(void)us;
	api_dispatch(d->api);
	return 0;
}

static int add_sources(struct daemon *d)
{
	int r = sd_event_add_io(d->loop, &d->api_source, api_fd(d->api), EPOLLIN, on_request, d);

	if (r >= 0)
		r = sd_event_add_time(d->loop, &d->api_timer, CLOCK_MONOTONIC, UINT64_MAX, 1000,
				      on_api_time, d);
	if (r >= 0)
		r = sd_event_source_set_prepare(d->api_source, before_wait);
	return r;
}

/* The default group is a convenience of the package, which a test has no need of. */
static const char *group_of(const struct config *c)
{
	bool is_default = !strcmp(c->group, "vmguard");

	return is_default && !getgrnam(c->group) ? NULL : c->group;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

int serve_open(struct daemon *d, struct fault *f)
{
	const struct config *c = &d->config;
	const struct api_options options = {
		.socket = or_null(c->socket),
		.group = group_of(c),
		.listen = or_null(c->listen),
		.certificate = or_null(c->certificate),
		.key = or_null(c->key),
		.client_ca = or_null(c->client_ca),
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.context = d,
		.connections_max = CONNECTIONS,
		.stream_bytes = STREAM_BYTES,
	};
	int r = api_open(&options, &d->api, f);

	if (!r && (r = add_sources(d)) < 0)
		fault_errno(f, r, "serve %s", c->socket);
	return r < 0 ? r : 0;
}

void serve_close(struct daemon *d)
{
	sd_event_source_disable_unref(d->api_timer);
	sd_event_source_disable_unref(d->api_source);
	api_close(d->api);
	d->api = NULL;
}
