/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this module share: a client, and one request with what comes back. */
#pragma once

#include <curl/curl.h>

#include "client/sse.h"

struct client {
	CURL *curl;
	struct client_options options; /* its texts are the client's */
	char error[CURL_ERROR_SIZE];
	int fd;	      /* of a connection that was made for the request, or -1 */
	bool is_full; /* the socket's backlog */
};

struct exchange {
	struct client *client;
	const char *method, *path;
	const char *accept;
	const char *sent;  /* JSON, or NULL */
	const char *after; /* Last-Event-ID, or NULL */
	struct sse *sse;   /* where events go; NULL: no stream is asked for */

	struct text received;
	long status;
	int64_t heard_ms; /* when anything came, on monotonic_ms() */
	bool was_silent;  /* for too long */
	int sse_result;	  /* of sse_feed() */
	int too_much;	  /* more than CLIENT_ANSWER_BYTES, or no memory: negative errno */
};

/* 0: there was an answer of 2xx, or the stream ended. Otherwise as client.h says. */
int exchange_run(struct exchange *e, struct fault *f);
/* What was received; "": nothing. */
const char *exchange_text(const struct exchange *e);
void exchange_close(struct exchange *e);

/* ---- reach.c --------------------------------------------------------------------------------- */

/* Until the daemon's socket takes another connection: 0, or why it does not. */
int reach_wait(const struct client *c);
/* A sentence for who could not reach the daemon, with what to do. Gives `code`. */
int reach_fault(const struct client *c, int code, struct fault *f);
/* "vmguardd", "vmguardd at https://node2:7840" */
const char *reach_name(const struct client *c, char *name, size_t bytes);
