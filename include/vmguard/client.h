/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks a vmguardd: on its unix socket, or another host's over HTTPS with a certificate.
 *
 *	client_ask()     JSON there, JSON back, or a fault made of the problem that came back
 *	client_follow()  server-sent events, one callback each
 *
 * A client belongs to one thread at a time and blocks it, with limits.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

struct client;
struct json_object;

enum {
	CLIENT_ASK_MS = 30000, /* where options have 0 */
	CLIENT_SILENCE_MS = 60000,
	CLIENT_ANSWER_BYTES = 64 << 20, /* more is no answer */
	CLIENT_EVENT_BYTES = 1 << 20,
};

/* Texts are copied. */
struct client_options {
	const char *socket;			   /* the daemon's, on this host */
	const char *url;			   /* instead: "https://node2:7840" */
	const char *certificate, *key, *authority; /* PEM files, needed with a url */

	int64_t ask_ms;	    /* for a whole answer */
	int64_t silence_ms; /* until a stream that says nothing is given up */
	/* Read atomically; not 0: what is under way ends within a second. May be NULL. */
	const volatile int *stop;
};

/* Connects to nobody yet. -EINVAL: an option is missing. -ENOENT, -EACCES: one of its files. */
int client_open(const struct client_options *options, struct client **client, struct fault *f);
void client_close(struct client *client); /* accepts NULL */
SCOPE_CLOSER(client_close, struct client)

/*
 * Asks for a path, "/v1/guests". `body` may be NULL; `answer` may be NULL, and is NULL where
 * nothing came back (204); the caller puts it.
 *
 * -ENOENT, -ECONNREFUSED: the daemon does not run here. -EACCES: its socket is for others, or the
 * host is not the one that was meant. -EHOSTUNREACH: another host's. -ETIMEDOUT. -ECONNRESET: it
 * died, and may have done what was asked. -ECANCELED: by options.stop. -EPROTO: it answers, but
 * nothing that could be understood. -EMSGSIZE: more than CLIENT_ANSWER_BYTES. What the daemon
 * refuses has the code of its own fault, and its sentence.
 */
int client_ask(struct client *c, const char *method, const char *path, struct json_object *body,
	       struct json_object **answer, struct fault *f);

/* As it came, for what is no JSON; the caller frees it. */
int client_text(struct client *c, const char *path, char **text, struct fault *f);

struct client_event {
	const char *id;	  /* of this or the last event that had one; "": none had */
	const char *kind; /* "message" where the event has none */
	const char *data;
};

/*
 * Calls `event` for each event after the one with the id `after` (NULL: from now on) until it gives
 * other than 0, which is then returned, or the daemon ends the stream: 0. Errors are as above;
 * -ETIMEDOUT: it was silent for too long, -ECONNRESET: it died. Then go on after the last id.
 */
int client_follow(struct client *c, const char *path, const char *after,
		  int (*event)(void *context, const struct client_event *e), void *context,
		  struct fault *f);

/* A name as it stands in a path or behind a ?: "web 1" is "web%201". The caller frees it. */
char *client_encode(const char *name);
