/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request as the server takes it apart: address, Accept and body, a line each. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/accept.h"
#include "api/route.h"
#include "vmguard/json_text.h"
#include "vmguard/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct api_route routes[] = {
	{"GET", "/", NULL},
	{"GET", "/v1/guests/{name}", "limit,after"},
	{"POST", "/v1/guests/{name}/checkpoints/{number}", NULL},
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static void must(bool right)
{
	if (!right)
		abort();
}

static void find(const struct target *t)
{
	char methods[ROUTE_METHODS_BYTES];
	struct fault f;

	route_methods(routes, ROUTES, t, methods);
	const struct api_route *route = route_find(routes, ROUTES, t, "HEAD");
	must(!route || strstr(methods, "GET, HEAD"));
	if (!route)
		return;
	route_check_query(route, t, &f);
	const char *name = route_param(route, t, "name");
	must(!name || (*name && utf8_is_printable(name)));
}

static void take_target(const char *text)
{
	struct target t;
	struct fault f;

	if (target_read(text, &t, &f) == 0) {
		for (unsigned i = 0; i < t.segment_count; i++)
			must(utf8_is_printable(t.segments[i]));
		for (unsigned i = 0; i < t.query_count; i++)
			must(utf8_is_printable(t.queries[i].name) &&
			     utf8_is_printable(t.queries[i].value));
		find(&t);
	}
	target_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char *const types[] = {"application/json", "text/event-stream"};
	auto_free char *text = strndup((const char *)data, bytes);
	auto_of(json_object_put) struct json_object *o = NULL;
	struct fault f;
	char *body = text;

	if (!text)
		return 0;
	take_target(strsep(&body, "\n"));
	if (!body)
		return 0;
	const char *accept = strsep(&body, "\n");
	must(accept_choose(accept, types, 2) < 2);
	accept_is_type(accept, types[0]);
	if (body)
		json_text_read(body, strlen(body), &o, &f);
	return 0;
}
