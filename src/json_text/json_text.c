/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/json_text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* json_tokener_free() itself does not accept NULL. */
static void tokener_close(struct json_tokener *tokener)
{
	if (tokener)
		json_tokener_free(tokener);
}
SCOPE_CLOSER(tokener_close, struct json_tokener)

/* json-c takes a NUL for the end of its input, so that it does not see what stands behind it. */
static int check_bytes(const char *bytes, size_t count, struct fault *f)
{
	if (count > INT_MAX)
		return fault_set(f, -EBADMSG, "it has %zu bytes, which is too much", count);
	if (memchr(bytes, 0, count))
		return fault_set(f, -EBADMSG, "it has a NUL in it");
	return 0;
}

/* json-c also takes NaN, and names in single quotes; that is let through. */
int json_text_read(const char *bytes, size_t count, struct json_object **out, struct fault *f)
{
	auto_of(tokener_close) struct json_tokener *tokener = NULL;
	auto_of(json_object_put) struct json_object *o = NULL;

	*out = NULL;
	if (check_bytes(bytes, count, f) < 0)
		return f->code;
	tokener = json_tokener_new_ex(JSON_TEXT_DEPTH);
	if (!tokener)
		return fault_errno(f, -ENOMEM, "read JSON");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, bytes, (int)count);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (error == json_tokener_continue)
		return fault_set(f, -EBADMSG, "it ends too early");
	if (error != json_tokener_success)
		return fault_set(f, -EBADMSG, "%s, at byte %zu", json_tokener_error_desc(error),
				 json_tokener_get_parse_end(tokener));
	if (!json_object_is_type(o, json_type_object))
		return fault_set(f, -EBADMSG, "it is no object: no {…}");
	size_t end = json_tokener_get_parse_end(tokener);
	while (end < count && strchr(" \t\r\n", bytes[end]))
		end++;
	if (end < count)
		return fault_set(f, -EBADMSG, "there is more behind its end, at byte %zu", end);
	*out = give(o);
	return 0;
}

char *json_text_write(struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return text ? strdup(text) : NULL;
}

const char *json_text_member(struct json_object *o, const char *name)
{
	struct json_object *member = json_object_object_get(o, name);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member)
							     : NULL;
}
