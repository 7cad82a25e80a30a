/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What machines read: one object or array a line. */
#include <inttypes.h>
#include <stdio.h>

#include "verb.h"

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void json_add_number(struct json_object *o, const char *key, uint64_t number)
{
	json_object_object_add(o, key, json_object_new_uint64(number));
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void json_add_holders(struct json_object *o, const char *key, const struct holder *holders,
		      size_t count)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < count; i++) {
		struct json_object *one = json_object_new_object();

		json_add_text(one, "host", holders[i].host);
		json_add_number(one, "pid", holders[i].pid);
		json_add_number(one, "since_ms", holders[i].since_s * 1000);
		json_object_array_add(all, one);
	}
	json_object_object_add(o, key, all);
}

void json_add_ms(struct json_object *o, const char *key, int64_t us)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRId64 ".%03d", us / 1000, (int)(us % 1000));
	json_object_object_add(o, key, json_object_new_double_s(us / 1e3, digits));
}

void json_print(struct json_object *o)
{
	progress_wipe();
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

void json_add_pause(struct json_object *o, const struct pause_parts *p)
{
	struct json_object *parts;

	if (!p->disks_us)
		return;
	parts = json_object_new_object();
	json_add_ms(parts, "stop", p->stop_us);
	json_add_ms(parts, "disks", p->disks_us);
	json_add_ms(parts, "devices", p->devices_us);
	json_add_ms(parts, "resume", p->resume_us);
	json_add_ms(parts, "own", p->own_us);
	json_object_object_add(o, "pause_parts_ms", parts);
}
