/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is connected, what each is doing, and since when.
 *
 *	idle ──first line──> reading ──body is there──> answering ──answer was read──> idle
 *	 │                      │                       │   ^
 *	 │ longest, when        │ too slow              v   │
 *	 │ room is needed       │                       held     a stream, or an answer that comes
 *later v                      v closing: its socket is shut down, libmicrohttpd notices and closes
 *it
 *
 * A list for each phase, in the order of entry, and one limit for all of a list: only its first has
 * to be looked at. A held connection has no limit of its own: streams notice a dead reader.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum connection_phase {
	CONNECTION_IDLE,
	CONNECTION_READING,
	CONNECTION_ANSWERING,
	CONNECTION_HELD,
	CONNECTION_CLOSING,
	CONNECTION_PHASES
};

struct api_request;

struct connection {
	struct connections *all;
	struct api_request *request; /* that it is about, or NULL */
	int fd;			     /* libmicrohttpd's */
	enum connection_phase phase;
	int64_t since_ms;
	bool is_beyond; /* one more than there may be: it is told so */
	struct connection *before, *after;
};

struct connections {
	unsigned max;			     /* not counting those that are closing */
	int64_t limit_ms[CONNECTION_PHASES]; /* 0: none */
	struct connection *first[CONNECTION_PHASES], *last[CONNECTION_PHASES];
	unsigned count[CONNECTION_PHASES];
	uint64_t closed_for_room, timed_out;
};

/* Makes room for it first. NULL: no memory. */
struct connection *connection_new(struct connections *all, int fd, int64_t now_ms);
void connection_free(struct connection *c); /* accepts NULL */

/* One that is closing stays so. */
void connection_enter(struct connection *c, enum connection_phase phase, int64_t now_ms);
void connection_close(struct connection *c, int64_t now_ms);

/* Closing ones do not count. */
unsigned connections_open(const struct connections *all);

/* How long until the next one is over its limit; -1: none ever. */
int64_t connections_due_ms(const struct connections *all, int64_t now_ms);
/* Closes those that are. */
void connections_end_late(struct connections *all, int64_t now_ms);
