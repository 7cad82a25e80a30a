/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request on its way:
 *
 *	request_line()   its first line is there
 *	request_take()   its headers are there: what cannot be is refused before its body is read
 *	request_take()   … pieces of the body
 *	request_take()   all is there: the handler runs; what is refused is told here, when the
 *client has sent all and listens request_take()   once more after request_wake(), for an answer
 *that came later request_end()    it was answered, or its connection is over
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "api/accept.h"
#include "api/route.h"
#include "api/server.h"
#include "vmguard/clock.h"
#include "vmguard/json_text.h"

void *request_line(void *server, const char *uri, struct MHD_Connection *mhd)
{
	struct api *api = server;
	struct api_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->api = api;
	r->mhd = mhd;
	r->connection =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	if (r->connection) {
		r->connection->request = r;
		connection_enter(r->connection, CONNECTION_READING, monotonic_ms());
	}
	target_read(uri ? uri : "", &r->target, &r->target_fault);
	return r;
}

static const char *header(const struct api_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

static bool is_answered(const struct api_request *r)
{
	return r->answer || r->is_lost;
}

/* ---- what is refused ------------------------------------------------------------------------- */

static bool has_body(const struct api_request *r)
{
	const char *length = header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
	       (length && strspn(length, "0") != strlen(length));
}

static uint64_t announced_bytes(const struct api_request *r)
{
	const char *length = header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length ? strtoull(length, NULL, 10) : 0;
}

static void refuse_method(struct api_request *r, const char *methods)
{
	api_answer_header(r, MHD_HTTP_HEADER_ALLOW, methods);
	if (!strcmp(r->method, "OPTIONS"))
		api_answer_empty(r);
	else
		answer_refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "%s cannot be asked with %.20s, but with %s", r->target.path,
			      r->method, methods);
}

/* Gives the row that answers, or refuses. */
static const struct api_route *find_route(struct api_request *r)
{
	const struct api_options *o = &r->api->options;
	char methods[ROUTE_METHODS_BYTES];
	const struct api_route *route =
		route_find(o->routes, o->route_count, &r->target, r->method);

	if (route)
		return route;
	route_methods(o->routes, o->route_count, &r->target, methods);
	if (*methods)
		refuse_method(r, methods);
	else
		answer_refuse(r, MHD_HTTP_NOT_FOUND, "there is nothing at %.200s", r->target.path);
	return NULL;
}

static void choose_type(struct api_request *r)
{
	static const char *const json[] = {"application/json"};
	const char *const *types = r->route->types[0] ? r->route->types : json;
	size_t count = 1;

	while (count < API_TYPES_MAX && r->route->types[0] && types[count])
		count++;
	int chosen = accept_choose(header(r, MHD_HTTP_HEADER_ACCEPT), types, count);
	if (chosen < 0)
		answer_refuse(r, MHD_HTTP_NOT_ACCEPTABLE, "%.200s is to be had as %s%s%s%s%s",
			      r->target.path, types[0], count > 1 ? ", " : "",
			      count > 1 ? types[1] : "", count > 2 ? ", " : "",
			      count > 2 ? types[2] : "");
	else
		r->type = types[chosen];
}

static void check_body(struct api_request *r)
{
	const char *type = header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *encoding = header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);

	if (!has_body(r)) {
		if (r->route->body == API_BODY_MUST)
			answer_refuse(r, MHD_HTTP_BAD_REQUEST, "%s %.200s needs a JSON object",
				      r->method, r->target.path);
	} else if (r->route->body == API_BODY_NONE)
		answer_refuse(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "%s %.200s takes no body",
			      r->method, r->target.path);
	else if (!accept_is_type(type, "application/json"))
		answer_refuse(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			      "%s %.200s takes application/json, not %.100s", r->method,
			      r->target.path, type ? type : "a body without Content-Type");
	else if (encoding && strcasecmp(encoding, "identity") != 0)
		answer_refuse(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			      "a body has to come as it is, not with the Content-Encoding %.40s",
			      encoding);
	else if (announced_bytes(r) > r->api->options.body_bytes)
		answer_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "a body may have %zu bytes",
			      r->api->options.body_bytes);
}

/*
 * A page of somebody else must not have a browser change something here with its user's
 * certificate. Browsers say whose page it is; other programs do not send this.
 */
static bool is_of_another_site(const struct api_request *r)
{
	const char *site = header(r, "Sec-Fetch-Site");

	return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 &&
	       strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0;
}

static size_t header_bytes(const struct api_request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? info->header_size : 0;
}

static void check_request(struct api_request *r)
{
	struct fault f;

	if (!r->connection || r->connection->is_beyond) {
		api_answer_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
		api_answer_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
		answer_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			      "there are %u connections, all at work; try again",
			      r->api->connections.max);
	} else if (header_bytes(r) > r->api->options.header_bytes)
		answer_refuse(r, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
			      "the headers of a request may have %zu bytes",
			      r->api->options.header_bytes);
	else if (r->target_fault.code)
		api_answer_fault(r, &r->target_fault);
	else if (is_of_another_site(r))
		answer_refuse(r, MHD_HTTP_FORBIDDEN, "pages of other sites may only read");
	if (is_answered(r))
		return;
	r->route = find_route(r);
	if (!r->route)
		return;
	choose_type(r);
	if (!is_answered(r) && route_check_query(r->route, &r->target, &f) < 0)
		api_answer_fault(r, &f);
	if (!is_answered(r))
		check_body(r);
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool make_room(struct api_request *r, size_t bytes)
{
	size_t room = r->sent_room ? r->sent_room : 1024;

	while (room < bytes)
		room *= 2;
	if (room == r->sent_room)
		return true;
	char *sent = realloc(r->sent, room);
	if (!sent)
		return false;
	r->sent = sent;
	r->sent_room = room;
	return true;
}

static void take_piece(struct api_request *r, const char *data, size_t bytes)
{
	size_t limit = r->api->options.body_bytes;

	if (!is_answered(r) && bytes > limit - r->sent_bytes)
		answer_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "a body may have %zu bytes", limit);
	if (!is_answered(r) && !make_room(r, r->sent_bytes + bytes))
		answer_with(r, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
	if (is_answered(r)) {
		r->drained_bytes += bytes;
		return;
	}
	memcpy(r->sent + r->sent_bytes, data, bytes);
	r->sent_bytes += bytes;
}

static void read_body(struct api_request *r)
{
	struct fault f;

	if (!r->sent_bytes && r->route->body != API_BODY_MUST)
		return;
	if (json_text_read(r->sent ? r->sent : "", r->sent_bytes, &r->body, &f) < 0) {
		fault_wrap(&f, "the body is no JSON");
		api_answer_fault(r, &f);
	}
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* libmicrohttpd does not look at a connection that waits, so that it would not see it end. */
static void watch(struct api_request *r)
{
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = r};

	if (!r->is_watched)
		r->is_watched = !epoll_ctl(r->api->epoll, EPOLL_CTL_ADD, r->connection->fd, &event);
}

void request_wake(struct api_request *r)
{
	if (!r->is_suspended)
		return;
	r->is_suspended = false;
	r->api->is_woken = true;
	MHD_resume_connection(r->mhd);
}

void request_left(struct api_request *r)
{
	r->is_left = true;
	request_wake(r);
}

static void hold(struct api_request *r)
{
	connection_enter(r->connection, CONNECTION_HELD, monotonic_ms());
	watch(r);
}

/* ---- libmicrohttpd calls --------------------------------------------------------------------- */

static enum MHD_Result queue_answer(struct api_request *r)
{
	if (r->connection && r->stream)
		hold(r);
	else if (r->connection)
		connection_enter(r->connection, CONNECTION_ANSWERING, monotonic_ms());
	return MHD_queue_response(r->mhd, r->status, r->answer);
}

static enum MHD_Result begin(struct api_request *r, const char *method)
{
	r->is_begun = true;
	r->method = strdup(method);
	if (!r->method)
		return MHD_NO;
	check_request(r);
	/* Who asks first, or has too much to say, is told at once. The connection then ends. */
	if (r->answer &&
	    (header(r, MHD_HTTP_HEADER_EXPECT) || announced_bytes(r) > API_DRAIN_BYTES))
		return queue_answer(r);
	return r->is_lost ? MHD_NO : MHD_YES;
}

static void handle(struct api_request *r)
{
	r->is_handled = true;
	read_body(r);
	if (!is_answered(r))
		r->route->handle(r->api->options.context, r);
	if (!is_answered(r) && !r->gone)
		answer_refuse(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "nobody answered %s %.200s",
			      r->method, r->target.path);
}

static enum MHD_Result wait_for_answer(struct api_request *r)
{
	hold(r);
	r->is_suspended = true;
	MHD_suspend_connection(r->mhd);
	return MHD_YES;
}

enum MHD_Result request_take(void *api, struct MHD_Connection *mhd, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *bytes, void **request)
{
	struct api_request *r = *request;

	(void)api;
	(void)mhd;
	(void)url;
	(void)version;
	if (!r)
		return MHD_NO;
	if (!r->is_begun)
		return begin(r, method);
	if (*bytes) {
		take_piece(r, data, *bytes);
		*bytes = 0;
		return r->drained_bytes > API_DRAIN_BYTES ? MHD_NO : MHD_YES;
	}
	if (!is_answered(r) && !r->is_handled)
		handle(r);
	if (r->answer)
		return queue_answer(r);
	return r->is_left || r->is_lost ? MHD_NO : wait_for_answer(r);
}

static void tell_end(struct api_request *r)
{
	void (*gone)(void *context) = r->gone;

	r->gone = NULL;
	if (r->stream)
		stream_free(r->stream);
	else if (gone && !is_answered(r))
		gone(r->gone_context);
}

static void request_free(struct api_request *r)
{
	target_free(&r->target);
	if (r->answer)
		MHD_destroy_response(r->answer);
	for (unsigned i = 0; i < r->header_count; i++) {
		free(r->headers[i].name);
		free(r->headers[i].value);
	}
	json_object_put(r->body);
	free(r->sent);
	free(r->method);
	free(r);
}

void request_end(void *server, struct MHD_Connection *mhd, void **request,
		 enum MHD_RequestTerminationCode how)
{
	struct api *api = server;
	struct api_request *r = *request;

	(void)mhd;
	(void)how;
	*request = NULL;
	if (!r)
		return;
	if (r->is_watched)
		epoll_ctl(api->epoll, EPOLL_CTL_DEL, r->connection->fd, NULL);
	tell_end(r);
	api->requests++;
	api->refused += r->status >= 400;
	if (r->connection) {
		r->connection->request = NULL;
		connection_enter(r->connection, CONNECTION_IDLE, monotonic_ms());
	}
	request_free(r);
}
