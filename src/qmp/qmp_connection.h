/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection and what is under way on it. qmp_connection.c moves bytes and sorts the
 * messages that come; qmp.c knows what a call asks and what its answer means.
 *
 *	outgoing --sendmsg-->  QEMU  --recv--> parser --> greeting, reply | events
 */
#pragma once

#include "qmp/qmp_events.h"
#include "qmp/qmp_message.h"
#include "qmp/qmp_parser.h"

enum { QMP_READ_BYTES = 64 << 10 };

struct qmp {
	struct qmp_sink sink; /* first: take() gets the connection from it */
	int fd;
	struct qmp_parser *parser;
	struct qmp_error failure; /* code 0 while the connection can be used */

	bool greeted;
	struct qmp_greeting greeting;
	bool oob; /* negotiated */

	/*
	 * The command being sent. Where the time runs out in its middle, the rest stays and
	 * goes out before the next one: QEMU is never left with half a command.
	 */
	struct {
		char *text;
		size_t length, sent;
		int pass_fd; /* 0 once it was passed */
	} outgoing;

	int64_t last_id;
	int64_t awaited_id; /* 0: no reply is awaited, one that comes is late and is dropped */
	struct json_object *reply; /* to awaited_id: the whole message */
	struct qmp_events events;
	char incoming[QMP_READ_BYTES];
};

/* What a call waits for. */
struct qmp_wait {
	char what[128]; /* "the reply to query-status" */
	int limit_ms;
	int64_t deadline_ms;
	bool (*done)(const struct qmp *q);
};

/* Owns fd from here, also on failure. */
int qmp_connection_new(int fd, struct qmp **q, struct qmp_error *e);
void qmp_connection_free(struct qmp *q); /* accepts NULL */

/*
 * Sends and receives until w->done(). -ETIMEDOUT leaves the connection usable; after any
 * other error it is not, and every later call that would need it returns that error.
 */
int qmp_connection_converse(struct qmp *q, const struct qmp_wait *w, struct qmp_error *e);

/* Takes what has come by now, without waiting. */
int qmp_connection_receive(struct qmp *q, const struct qmp_wait *w, struct qmp_error *e);

bool qmp_connection_sent(const struct qmp *q);
/* Forgets the outgoing command; nothing of it may have been sent, or all of it. */
void qmp_connection_drop_outgoing(struct qmp *q);
