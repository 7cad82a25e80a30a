/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/qmp_message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qmp/qmp_error.h"

static struct json_object *member(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static int64_t reply_id(struct json_object *object)
{
	struct json_object *id = NULL;

	if (!json_object_object_get_ex(object, "id", &id))
		return QMP_ID_NONE;
	if (!json_object_is_type(id, json_type_int) || json_object_get_int64(id) <= 0)
		return QMP_ID_FOREIGN;
	return json_object_get_int64(id);
}

int qmp_message_read(struct json_object *object, struct qmp_message *m, struct qmp_error *e)
{
	*m = (struct qmp_message){.body = object};
	if (member(object, "event", json_type_string)) {
		m->kind = QMP_EVENT;
		return 0;
	}
	m->id = reply_id(object);
	if (json_object_object_get_ex(object, "return", &m->body)) {
		m->kind = QMP_RETURN;
		return 0;
	}
	m->body = member(object, "error", json_type_object);
	if (m->body) {
		m->kind = QMP_REFUSAL;
		return 0;
	}
	m->body = member(object, "QMP", json_type_object);
	m->kind = QMP_GREETING;
	if (!m->body)
		return qmp_error_set(e, -EPROTO,
				     "a message is no greeting, event, return or error");
	return 0;
}

static bool offers(struct json_object *body, const char *capability)
{
	struct json_object *all = member(body, "capabilities", json_type_array);

	for (size_t i = 0; all && i < json_object_array_length(all); i++) {
		struct json_object *one = json_object_array_get_idx(all, i);

		if (json_object_is_type(one, json_type_string) &&
		    strcmp(json_object_get_string(one), capability) == 0)
			return true;
	}
	return false;
}

int qmp_version_of(struct json_object *returned, char version[QMP_VERSION_BYTES],
		   struct qmp_error *e)
{
	struct json_object *qemu = member(returned, "qemu", json_type_object);
	struct json_object *major = qemu ? member(qemu, "major", json_type_int) : NULL;
	struct json_object *minor = qemu ? member(qemu, "minor", json_type_int) : NULL;
	struct json_object *micro = qemu ? member(qemu, "micro", json_type_int) : NULL;

	if (!major || !minor || !micro)
		return qmp_error_set(e, -EPROTO, "there is no version of QEMU");
	snprintf(version, QMP_VERSION_BYTES, "%d.%d.%d", json_object_get_int(major),
		 json_object_get_int(minor), json_object_get_int(micro));
	return 0;
}

int qmp_message_greeting(struct json_object *body, struct qmp_greeting *g, struct qmp_error *e)
{
	struct json_object *version = member(body, "version", json_type_object);
	int r = qmp_version_of(version, g->version, e);

	if (r < 0)
		return qmp_error_wrap(e, "the greeting");
	g->oob = offers(body, "oob");
	return 0;
}

/* QEMU sends -1 for both parts where it could not read its clock. */
static int64_t event_time_us(struct json_object *body)
{
	struct json_object *stamp = member(body, "timestamp", json_type_object);
	struct json_object *seconds = stamp ? member(stamp, "seconds", json_type_int) : NULL;
	struct json_object *micros = stamp ? member(stamp, "microseconds", json_type_int) : NULL;
	int64_t us = 0;

	if (!seconds || !micros || json_object_get_int64(seconds) < 0 ||
	    json_object_get_int64(micros) < 0 ||
	    __builtin_mul_overflow(json_object_get_int64(seconds), 1000000, &us) ||
	    __builtin_add_overflow(us, json_object_get_int64(micros), &us))
		return -1;
	return us;
}

int qmp_message_event(struct json_object *body, struct qmp_event *event, struct qmp_error *e)
{
	struct json_object *name = member(body, "event", json_type_string);
	size_t length = (size_t)json_object_get_string_len(name);

	if (length == 0 || length >= sizeof(event->name))
		return qmp_error_set(e, -EPROTO, "the name of an event has %zu bytes", length);
	*event = (struct qmp_event){.time_us = event_time_us(body)};
	memcpy(event->name, json_object_get_string(name), length);
	event->data = json_object_get(member(body, "data", json_type_object));
	return 0;
}

int qmp_message_refusal(struct json_object *body, const char *command, struct qmp_error *e)
{
	struct json_object *class = member(body, "class", json_type_string);
	struct json_object *text = member(body, "desc", json_type_string);

	qmp_error_set(e, -EREMOTEIO, "QEMU refused %s: %s", command,
		      text ? json_object_get_string(text) : "it gives no reason");
	snprintf(e->class, sizeof(e->class), "%s", class ? json_object_get_string(class) : "");
	return e->code;
}

int qmp_message_result(struct json_object *reply, const char *command, struct json_object **result,
		       struct qmp_error *e)
{
	struct qmp_message m;
	int r = qmp_message_read(reply, &m, e);

	if (r < 0)
		return r;
	if (m.kind == QMP_REFUSAL)
		return qmp_message_refusal(m.body, command, e);
	if (m.kind != QMP_RETURN)
		return qmp_error_set(e, -EPROTO, "what came is no reply to %s", command);
	if (result)
		*result = json_object_get(m.body);
	return 0;
}
