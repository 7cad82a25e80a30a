/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server: two daemons of libmicrohttpd without threads, whose epolls are in ours. Limits of
 * time are all here and in connections.c, because libmicrohttpd's own know only silence: who sends
 * a byte now and then would be welcome for ever.
 */
#include "vmguard/api.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "api/listen.h"
#include "api/server.h"
#include "api/tls.h"
#include "vmguard/clock.h"

/* ---- connections come and go ----------------------------------------------------------------- */

static void begin_connection(struct api *api, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *tls =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const union MHD_ConnectionInfo *socket =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (tls && tls->tls_session)
		tls_require_certificate(tls->tls_session);
	*socket_context = connection_new(&api->connections, socket->connect_fd, monotonic_ms());
}

static void notice_connection(void *api, struct MHD_Connection *mhd, void **socket_context,
			      enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		begin_connection(api, mhd, socket_context);
		return;
	}
	connection_free(*socket_context);
	*socket_context = NULL;
}

/* What is encoded stays so: target.c takes it apart first. */
static size_t leave_encoded(void *api, struct MHD_Connection *mhd, char *text)
{
	(void)api;
	(void)mhd;
	return strlen(text);
}

/* ---- open ------------------------------------------------------------------------------------ */

static void set_limits(struct api *api)
{
	struct api_options *o = &api->options;

#define OR_DEFAULT(member, value) o->member = o->member ? o->member : (value)
	OR_DEFAULT(connections_max, API_CONNECTIONS);
	OR_DEFAULT(body_bytes, API_BODY_BYTES);
	OR_DEFAULT(header_bytes, API_HEADER_BYTES);
	OR_DEFAULT(stream_bytes, API_STREAM_BYTES);
	OR_DEFAULT(request_ms, API_REQUEST_MS);
	OR_DEFAULT(idle_ms, API_IDLE_MS);
	OR_DEFAULT(answer_ms, API_ANSWER_MS);
	OR_DEFAULT(keep_alive_ms, API_KEEP_ALIVE_MS);
#undef OR_DEFAULT
	api->connections.max = o->connections_max;
	api->connections.limit_ms[CONNECTION_IDLE] = o->idle_ms;
	api->connections.limit_ms[CONNECTION_READING] = o->request_ms;
	api->connections.limit_ms[CONNECTION_ANSWERING] = o->answer_ms;
}

/* Takes the socket over if it succeeds. */
static int start(struct api *api, int i, int *socket, const struct tls_files *tls, struct fault *f)
{
	static const char priorities[] =
		"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";
	struct MHD_OptionItem secure[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, tls ? tls->certificate : NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, tls ? tls->key : NULL},
		{MHD_OPTION_HTTPS_MEM_TRUST, 0, tls ? tls->client_ca : NULL},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)priorities},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0);

	api->daemons[i] = MHD_start_daemon(
		flags, 0, NULL, NULL, request_take, api, MHD_OPTION_LISTEN_SOCKET, *socket,
		MHD_OPTION_CONNECTION_LIMIT, api->options.connections_max + API_SPARE,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_POOL_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, request_line, api,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, api, MHD_OPTION_NOTIFY_COMPLETED,
		request_end, api, MHD_OPTION_NOTIFY_CONNECTION, notice_connection, api,
		MHD_OPTION_ARRAY, tls ? secure : secure + 4, MHD_OPTION_END);
	if (!api->daemons[i])
		return fault_set(f, -EIO, "libmicrohttpd does not start%s",
				 tls ? " with these certificates" : "");
	give_fd(socket);
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = MHD_get_daemon_info(api->daemons[i], MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	if (epoll_ctl(api->epoll, EPOLL_CTL_ADD, epoll, &event) < 0)
		return fault_errno(f, -errno, "wait for connections");
	return 0;
}

static int open_path(struct api *api, struct fault *f)
{
	const struct api_options *o = &api->options;
	auto_fd int socket = -1;

	if (!o->socket)
		return 0;
	if (listen_on_path(o->socket, o->group, &socket, &api->socket_inode, f) < 0)
		return f->code;
	api->socket = strdup(o->socket);
	if (!api->socket)
		return fault_errno(f, -ENOMEM, "serve %s", o->socket);
	return start(api, 0, &socket, NULL, f);
}

static int open_address(struct api *api, struct fault *f)
{
	const struct api_options *o = &api->options;
	struct tls_files tls;
	auto_fd int socket = -1;

	if (!o->listen)
		return 0;
	if (!o->certificate || !o->key || !o->client_ca)
		return fault_set(
			f, -EINVAL,
			"to listen on %s needs a certificate, its key and the authority of "
			"clients: without them nobody is served there",
			o->listen);
	if (tls_read(o->certificate, o->key, o->client_ca, &tls, f) < 0)
		return f->code;
	int r = listen_on_address(o->listen, &socket, &api->port, f);
	if (r == 0)
		r = start(api, 1, &socket, &tls, f);
	tls_close(&tls);
	return r;
}

int api_open(const struct api_options *options, struct api **out, struct fault *f)
{
	auto_of(api_close) struct api *api = calloc(1, sizeof(*api));

	*out = NULL;
	if (!api)
		return fault_errno(f, -ENOMEM, "open the API");
	api->options = *options;
	set_limits(api);
	api->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (api->epoll < 0)
		return fault_errno(f, -errno, "open the API");
	if (open_path(api, f) < 0 || open_address(api, f) < 0)
		return fault_wrap(f, "open the API");
	*out = give(api);
	return 0;
}

/* libmicrohttpd must not be stopped while one of them waits. */
static void release_held(struct api *api)
{
	struct connection *next;

	for (struct connection *c = api->connections.first[CONNECTION_HELD]; c; c = next) {
		next = c->after;
		request_left(c->request);
	}
}

void api_close(struct api *api)
{
	if (!api)
		return;
	release_held(api);
	for (int i = 0; i < API_DAEMONS; i++)
		if (api->daemons[i])
			MHD_stop_daemon(api->daemons[i]);
	if (api->socket)
		listen_forget_path(api->socket, api->socket_inode);
	free(api->socket);
	if (api->epoll >= 0)
		close(api->epoll);
	free(api);
}

/* ---- at work --------------------------------------------------------------------------------- */

int api_fd(const struct api *api)
{
	return api->epoll;
}

unsigned api_port(const struct api *api)
{
	return api->port;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int api_timeout_ms(const struct api *api)
{
	int64_t now_ms = monotonic_ms();
	int64_t due_ms =
		earlier(connections_due_ms(&api->connections, now_ms), streams_due_ms(api, now_ms));
	MHD_UNSIGNED_LONG_LONG more_ms;

	if (api->is_woken)
		return 0;

	for (int i = 0; i < API_DAEMONS; i++)
		if (api->daemons[i] && MHD_get_timeout(api->daemons[i], &more_ms) == MHD_YES)
			due_ms = earlier(due_ms, (int64_t)more_ms);
	return due_ms > INT_MAX ? INT_MAX : (int)due_ms;
}

/* Clients that left while nothing was written to them. Nothing is freed here. */
static void notice_left(struct api *api)
{
	struct epoll_event events[64];
	int count = epoll_wait(api->epoll, events, sizeof(events) / sizeof(events[0]), 0);

	for (int i = 0; i < count; i++)
		if (events[i].data.ptr)
			request_left(events[i].data.ptr);
}

void api_dispatch(struct api *api)
{
	api->is_woken = false;
	notice_left(api);
	for (int i = 0; i < API_DAEMONS; i++)
		if (api->daemons[i])
			MHD_run(api->daemons[i]);
	int64_t now_ms = monotonic_ms();
	connections_end_late(&api->connections, now_ms);
	streams_keep_alive(api, now_ms);
}

void api_counts(const struct api *api, struct api_counts *counts)
{
	*counts = (struct api_counts){
		.connections = connections_open(&api->connections),
		.streams = api->streams,
		.requests = api->requests,
		.refused = api->refused,
		.closed_for_room = api->connections.closed_for_room,
		.timed_out = api->connections.timed_out,
	};
}
