/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The four kinds of message that QEMU sends (docs/interop/qmp-spec.rst):
 *
 *	greeting  {"QMP": {"version": {"qemu": {…}}, "capabilities": ["oob"]}}
 *	event     {"event": "STOP", "data": {…}, "timestamp": {"seconds": …, "microseconds": …}}
 *	return    {"return": …, "id": 7}
 *	error     {"error": {"class": "GenericError", "desc": "…"}, "id": 7}
 *
 * No I/O. What does not have its shape is -EPROTO.
 */
#pragma once

#include <stdbool.h>

#include "vmguard/qmp.h"

enum qmp_message_kind {
	QMP_GREETING,
	QMP_EVENT,
	QMP_RETURN,
	QMP_REFUSAL,
};

enum {
	QMP_ID_NONE = 0,     /* QEMU could not read the command, so it does not know its id */
	QMP_ID_FOREIGN = -1, /* no number above 0, so none of ours */
};

struct qmp_message {
	enum qmp_message_kind kind;
	int64_t id; /* of a return or an error */
	struct json_object
		*body; /* "QMP", "return" or "error"; an event's whole message; borrowed */
};

struct qmp_greeting {
	char version[QMP_VERSION_BYTES]; /* "7.2.22" */
	bool oob;
};

int qmp_message_read(struct json_object *object, struct qmp_message *m, struct qmp_error *e);

/* These three read the body of a message of their kind. */
int qmp_message_greeting(struct json_object *body, struct qmp_greeting *g, struct qmp_error *e);
/* event->data is a reference of its own: qmp_event_clear() releases it. */
int qmp_message_event(struct json_object *body, struct qmp_event *event, struct qmp_error *e);
/* Fills *e with QEMU's refusal of `command`; returns -EREMOTEIO. */
int qmp_message_refusal(struct json_object *body, const char *command, struct qmp_error *e);

/* What a whole reply to `command` says: *result (may be NULL) is put by the caller. -EREMOTEIO. */
int qmp_message_result(struct json_object *reply, const char *command, struct json_object **result,
		       struct qmp_error *e);
