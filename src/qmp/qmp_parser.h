/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cuts the bytes of a QMP connection into messages: no I/O, never blocks, resumes at any
 * byte. A message is one JSON object of at most QMP_MESSAGE_BYTES; space between messages
 * is skipped, anything else between them is an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vmguard/qmp.h"

enum {
	QMP_MESSAGE_BYTES = 16 << 20,
	/* QEMU's own limit for what it reads (MAX_NESTING in qobject/json-streamer.c). A chain
	   of backing files nests two levels a file, far beyond json-c's default of 32. */
	QMP_MESSAGE_DEPTH = 1024,
};

struct qmp_sink {
	/*
	 * One whole message, which the sink owns from here, and how many bytes it took.
	 * An error breaks the parser and is returned by qmp_parser_feed().
	 */
	int (*take)(struct qmp_sink *s, struct json_object *message, size_t bytes,
		    struct qmp_error *e);
};

struct qmp_parser;

/* The sink must outlive the parser. NULL: out of memory. */
struct qmp_parser *qmp_parser_new(struct qmp_sink *sink);
void qmp_parser_free(struct qmp_parser *p); /* accepts NULL */

/*
 * Gives every message that is complete to the sink, in order. -EPROTO, and the offset since
 * the beginning of the connection, for what is no QMP; from then on every call is -EPROTO.
 */
int qmp_parser_feed(struct qmp_parser *p, const char *bytes, size_t length, struct qmp_error *e);

/*
 * Before anything is fed: somebody else read the connection until now, and maybe a part of a
 * message. What comes up to the first line's end is a message only as a whole, and else is dropped.
 * (QEMU ends each message with a line's end and has none within, unless it is told `pretty`.)
 */
void qmp_parser_join(struct qmp_parser *p);

/* True between the first and the last byte of a message. */
bool qmp_parser_is_inside(const struct qmp_parser *p);
