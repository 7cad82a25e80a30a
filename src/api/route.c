/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The next segment of a row's path: "{name}" or a word. NULL behind the last. */
static const char *next_segment(const char **rest, size_t *bytes)
{
	const char *segment = *rest;

	if (*segment != '/' || !segment[1])
		return NULL;
	segment++;
	*bytes = strcspn(segment, "/");
	*rest = segment + *bytes;
	return segment;
}

static bool is_param(const char *segment)
{
	return *segment == '{';
}

bool route_is_at(const struct api_route *route, const struct target *t)
{
	const char *rest = route->path, *segment;
	size_t bytes;
	unsigned i = 0;

	while ((segment = next_segment(&rest, &bytes))) {
		if (i == t->segment_count)
			return false;
		const char *sent = t->segments[i++];
		if (is_param(segment) ? !*sent
				      : strlen(sent) != bytes || strncmp(sent, segment, bytes) != 0)
			return false;
	}
	return i == t->segment_count && *t->path == '/';
}

const char *route_param(const struct api_route *route, const struct target *t, const char *name)
{
	const char *rest = route->path, *segment;
	size_t bytes;

	for (unsigned i = 0; (segment = next_segment(&rest, &bytes)); i++)
		if (is_param(segment) && bytes == strlen(name) + 2 &&
		    !strncmp(segment + 1, name, bytes - 2))
			return t->segments[i];
	return NULL;
}

static bool answers(const struct api_route *route, const char *method)
{
	return !strcmp(route->method, method) ||
	       (!strcmp(method, "HEAD") && !strcmp(route->method, "GET"));
}

const struct api_route *route_find(const struct api_route *routes, size_t count,
				   const struct target *t, const char *method)
{
	for (size_t i = 0; i < count; i++)
		if (answers(&routes[i], method) && route_is_at(&routes[i], t))
			return &routes[i];
	return NULL;
}

static void add_method(char *methods, const char *method)
{
	size_t used = strlen(methods);

	if (!strstr(methods, method))
		snprintf(methods + used, ROUTE_METHODS_BYTES - used, "%s%s", used ? ", " : "",
			 method);
}

void route_methods(const struct api_route *routes, size_t count, const struct target *t,
		   char methods[ROUTE_METHODS_BYTES])
{
	*methods = 0;
	for (size_t i = 0; i < count; i++) {
		if (!route_is_at(&routes[i], t) && strcmp(t->path, "*") != 0)
			continue;
		add_method(methods, routes[i].method);
		if (!strcmp(routes[i].method, "GET"))
			add_method(methods, "HEAD");
	}
	if (*methods)
		add_method(methods, "OPTIONS");
}

static bool has_word(const char *words, const char *word)
{
	size_t bytes = strlen(word);

	for (const char *at = words; at && *at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strcspn(at, ",") == bytes && !strncmp(at, word, bytes))
			return true;
	}
	return false;
}

int route_check_query(const struct api_route *route, const struct target *t, struct fault *f)
{
	for (unsigned i = 0; i < t->query_count; i++)
		if (!has_word(route->query, t->queries[i].name))
			return fault_set(f, -EINVAL,
					 "\"%.60s\" behind the ? is unknown here; there may be %s",
					 t->queries[i].name,
					 route->query ? route->query : "nothing");
	return 0;
}
