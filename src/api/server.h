/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this module share: the server, and a request on its way through. */
#pragma once

#include <microhttpd.h>

#include "api/connections.h"
#include "api/target.h"
#include "vmguard/api.h"

enum {
	API_DAEMONS = 2,	   /* of libmicrohttpd: the unix socket, and TCP */
	API_POOL_BYTES = 32 << 10, /* its memory for one connection */
	API_SPARE = 32,		   /* connections that are told that there are too many */
	API_DRAIN_BYTES = 1 << 20, /* read of a refused body, so that the answer is seen */
	API_WHO_BYTES = 128,
};

struct api {
	struct api_options options; /* with its limits; of the texts only until it is open */
	struct MHD_Daemon *daemons[API_DAEMONS];
	int epoll; /* of their epolls, and of clients that may leave while nobody writes to them */
	char *socket;
	uint64_t socket_inode;
	unsigned port;
	struct connections connections;
	struct api_stream *first_stream, *last_stream; /* the longest silent one first */
	unsigned streams;
	uint64_t requests, refused;
	bool is_woken; /* a connection goes on: its epoll does not say so */
};

struct api_request {
	struct api *api;
	struct MHD_Connection *mhd;
	struct connection *connection;
	struct target target;
	struct fault target_fault;
	char *method;
	const struct api_route *route;
	const char *type;
	char who[API_WHO_BYTES];

	char *sent; /* the body */
	size_t sent_bytes, sent_room;
	uint64_t drained_bytes; /* of a body that nobody reads any more */
	struct json_object *body;

	struct MHD_Response *answer;
	unsigned status;
	struct {
		char *name, *value;
	} headers[8];
	unsigned header_count;

	struct api_stream *stream;
	void (*gone)(void *context); /* set: the answer comes later */
	void *gone_context;

	bool is_begun, is_handled, is_suspended, is_watched;
	bool is_left; /* by its client */
	bool is_lost; /* not even a refusal has memory: the connection ends */
};

/* ---- request.c: called by libmicrohttpd ------------------------------------------------------ */

void *request_line(void *api, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_take(void *api, struct MHD_Connection *mhd, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *bytes, void **request);
void request_end(void *api, struct MHD_Connection *mhd, void **request,
		 enum MHD_RequestTerminationCode how);

/* Lets libmicrohttpd go on with it, where it was made to wait. */
void request_wake(struct api_request *r);
/* Its client has left, seen by our own epoll. */
void request_left(struct api_request *r);

/* ---- answer.c -------------------------------------------------------------------------------- */

/* Takes the response over; NULL: there was no memory. */
void answer_with(struct api_request *r, unsigned status, struct MHD_Response *response);
void answer_refuse(struct api_request *r, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- stream.c -------------------------------------------------------------------------------- */

void stream_free(struct api_stream *s); /* its request is over: tells the follower */
/* Comments on those that were silent, ends those whose reader does not read. */
void streams_keep_alive(struct api *api, int64_t now_ms);
int64_t streams_due_ms(const struct api *api, int64_t now_ms);

/* ---- who.c ----------------------------------------------------------------------------------- */

void who_is(struct MHD_Connection *mhd, char who[API_WHO_BYTES]);
