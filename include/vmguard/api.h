/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP/1.1 towards people's tools, other hosts and the status page, without a thread of its own.
 *
 *	unix socket ─┐                                                ┌─ an answer at once
 *	TCP + TLS ───┴─> libmicrohttpd ──> table of routes ──> handler ├─ one later
 *	                      │                                       └─ a stream of events
 *	api_fd() is readable, or api_timeout_ms() is over: api_dispatch()
 *
 * Who may use it: on the unix socket whoever its mode lets (0660, a group); over TCP only who has
 * a certificate of the given authority, anybody else is not even spoken to.
 *
 * Everything that is refused is told as a problem (RFC 9457): type, title, status, detail,
 * instance, and `code`, the name of the fault's errno. What is no HTTP at all, or has a request
 *line or headers of more than 32 KiB, gets a page of libmicrohttpd's instead, and the connection
 *ends.
 *
 * All functions are for the loop's thread. Handlers and callbacks run inside of api_dispatch() and
 * must not block; none may call api_close().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

struct api;
struct api_request; /* valid until it is answered, or the client is gone */
struct api_stream;
struct json_object;

enum {
	API_TYPES_MAX = 3,
	API_CONNECTIONS = 256, /* what limits are where options have 0 */
	API_BODY_BYTES = 64 << 10,
	API_HEADER_BYTES = 8 << 10,
	API_STREAM_BYTES = 256 << 10,
	API_REQUEST_MS = 10000,
	API_IDLE_MS = 60000,
	API_ANSWER_MS = 60000,
	API_KEEP_ALIVE_MS = 15000,
};

enum api_body { API_BODY_NONE, API_BODY_MAY, API_BODY_MUST };

struct api_route {
	const char *method; /* "GET" is HEAD too; OPTIONS and 405 are made of the table */
	const char *path;   /* "/v1/guests/{name}": a word in braces is any one segment */
	const char *query;  /* what may stand behind the ?, "limit,after"; NULL: nothing */
	enum api_body body; /* JSON, whole before the handler runs */
	/* What it can answer, best first: the client's Accept decides. NULL: application/json. */
	const char *types[API_TYPES_MAX];
	void (*handle)(void *context, struct api_request *r);
};

/* Texts are needed until api_open() returns, the routes until api_close(). */
struct api_options {
	const char *socket; /* path; NULL: none */
	const char *group;  /* whom the socket belongs to; NULL: the process' own */
	const char *listen; /* "192.0.2.1:7840", "[::]:7840"; port 0: any; NULL: none */
	const char *certificate, *key, *client_ca; /* paths of PEM files, all needed to listen */

	const struct api_route *routes; /* the first that fits is taken */
	size_t route_count;
	void *context; /* of handlers */

	/* 0: as above. */
	unsigned connections_max; /* when there are more, the longest idle one is closed */
	size_t body_bytes, header_bytes, stream_bytes;
	int64_t request_ms;    /* from its first line to the end of its body */
	int64_t idle_ms;       /* without a request, or with half a line of one */
	int64_t answer_ms;     /* until an answer is read */
	int64_t keep_alive_ms; /* between comments on a silent stream */
};

/*
 * -EADDRINUSE: another process answers on the socket; one that nobody answers on is replaced.
 * -EINVAL: an address, group or certificate that cannot be, and says which.
 */
int api_open(const struct api_options *options, struct api **api, struct fault *f);

/* Ends every connection, calling what was promised, and removes the socket. Accepts NULL. */
void api_close(struct api *api);
SCOPE_CLOSER(api_close, struct api)

int api_fd(const struct api *api);
/* Until api_dispatch() is to be called in any case, asked anew before each wait; -1: not before
 * api_fd() is readable. */
int api_timeout_ms(const struct api *api);
void api_dispatch(struct api *api);

/* The port that it listens on; 0: on none. */
unsigned api_port(const struct api *api);

struct api_counts {
	unsigned connections;	  /* open now */
	unsigned streams;	  /* of these */
	uint64_t requests;	  /* ended, whatever the answer was */
	uint64_t refused;	  /* of these: with 4xx or 5xx */
	uint64_t closed_for_room; /* idle connections */
	uint64_t timed_out;	  /* connections */
};
void api_counts(const struct api *api, struct api_counts *counts);

/* ---- what is asked --------------------------------------------------------------------------- */

const char *api_method(const struct api_request *r); /* as sent: "HEAD" too */
const char *api_path(const struct api_request *r);   /* as sent, without the query */
/* A segment by the name that it has in the route's braces, decoded. NULL: there is none. */
const char *api_param(const struct api_request *r, const char *name);
/* Decoded; "" where only the name stands there, NULL where not even that. */
const char *api_query(const struct api_request *r, const char *name);
const char *api_header(const struct api_request *r, const char *name); /* NULL: none */
struct json_object *api_body(const struct api_request *r); /* the request's; NULL: none was sent */
const char *api_type(const struct api_request *r); /* which of the route's types is wanted */
/* For people: "uid 0", or the common name of the client's certificate. */
const char *api_who(struct api_request *r);

/* ---- the answer ---------------------------------------------------------------------------- */

/* One header more, before the answer. */
void api_answer_header(struct api_request *r, const char *name, const char *value);

/* Takes the object over. NULL: there was no memory for it, which is then the answer. */
void api_answer_json(struct api_request *r, unsigned status, struct json_object *o);
/* Copies the text. */
void api_answer_text(struct api_request *r, unsigned status, const char *type, const char *text);
/* For what stays where it is for ever, like the files of the status page. */
void api_answer_static(struct api_request *r, const char *type, const void *bytes, size_t count);
void api_answer_empty(struct api_request *r); /* 204 */
/* A problem; the fault's text is its detail. */
void api_answer_problem(struct api_request *r, unsigned status, const struct fault *f);
/* The same with the status that belongs to the fault's code (api_status_of()). */
void api_answer_fault(struct api_request *r, const struct fault *f);
unsigned api_status_of(int code);

/*
 * Lets the handler return without an answer: it comes later, from wherever on the loop. `gone`
 * says that it is not wanted any more, and r is not valid any more: the client left, or
 * api_close().
 */
void api_answer_later(struct api_request *r, void (*gone)(void *context), void *context);

/* ---- streams: server-sent events ------------------------------------------------------------- */

struct api_follower {
	/* There is room again after -EAGAIN: go on with what comes next. May be NULL. */
	void (*room)(void *context, struct api_stream *s);
	/* Comes once in any case: either side has ended it, and s is not valid any more. */
	void (*closed)(void *context, struct api_stream *s);
	void *context;
};

/* Answers with a stream. NULL: there was no memory, which is then the answer; closed() is not
 * called. */
struct api_stream *api_answer_stream(struct api_request *r, const struct api_follower *follower);

/* The Last-Event-ID that the client has sent: go on after it. NULL: from now on. */
const char *api_last_event_id(const struct api_request *r);

/*
 * One event; id and event may be NULL, data may have lines. 0: it is queued. -EAGAIN: the reader is
 * too slow, nothing was queued, room() follows. -EMSGSIZE: larger than the queue. -EPIPE: ended.
 * -ENOMEM.
 */
int api_stream_send(struct api_stream *s, const char *id, const char *event, const char *data);
/* After what is queued. */
void api_stream_end(struct api_stream *s);
