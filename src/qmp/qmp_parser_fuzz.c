/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes, in pieces whose sizes come from the bytes, and every message read as what it
 * says it is: each must be refused or understood.
 */
#include <stdint.h>

#include "qmp/qmp_message.h"
#include "qmp/qmp_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int read_body(const struct qmp_message *m, struct qmp_error *e)
{
	struct qmp_greeting greeting;
	struct qmp_event event;
	int r = 0;

	if (m->kind == QMP_GREETING)
		return qmp_message_greeting(m->body, &greeting, e);
	if (m->kind == QMP_REFUSAL)
		qmp_message_refusal(m->body, "fuzz", e);
	if (m->kind == QMP_EVENT) {
		r = qmp_message_event(m->body, &event, e);
		if (r == 0)
			qmp_event_clear(&event);
	}
	return r;
}

static int take(struct qmp_sink *s, struct json_object *message, size_t bytes, struct qmp_error *e)
{
	struct qmp_message m;
	int r = qmp_message_read(message, &m, e);

	(void)s;
	if (r == 0 && bytes > 0)
		r = read_body(&m, e);
	json_object_put(message);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct qmp_sink sink = {take};
	struct qmp_parser *p = qmp_parser_new(&sink);
	struct qmp_error e;
	size_t at = 0;

	while (p && at < bytes) {
		size_t piece = 1 + data[at] * 3u;

		if (piece > bytes - at)
			piece = bytes - at;
		if (qmp_parser_feed(p, (const char *)data + at, piece, &e) < 0)
			break;
		at += piece;
	}
	qmp_parser_free(p);
	return 0;
}
