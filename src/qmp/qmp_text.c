/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands and replies as text, for a monitor that somebody else holds. */
#include <errno.h>
#include <string.h>

#include "qmp/qmp_error.h"
#include "qmp/qmp_message.h"

char *qmp_text_of_command(const char *name, struct json_object *arguments)
{
	static const int style = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct json_object *command = json_object_new_object();

	if (!command) {
		json_object_put(arguments);
		return NULL;
	}
	json_object_object_add(command, "execute", json_object_new_string(name));
	if (arguments)
		json_object_object_add(command, "arguments", arguments);
	const char *text = json_object_to_json_string_ext(command, style);
	char *copy = text ? strdup(text) : NULL;
	json_object_put(command);
	return copy;
}

int qmp_text_reply(const char *text, const char *name, struct json_object **result,
		   struct qmp_error *e)
{
	struct json_object *reply = json_tokener_parse(text);

	if (result)
		*result = NULL;
	if (!json_object_is_type(reply, json_type_object)) {
		json_object_put(reply);
		return qmp_error_set(e, -EPROTO, "the reply to %s is no JSON object", name);
	}
	int r = qmp_message_result(reply, name, result, e);
	json_object_put(reply);
	return r;
}
