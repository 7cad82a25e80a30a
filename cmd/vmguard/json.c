/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What machines read: one object or array a line. */
#include <stdio.h>

#include "verb.h"

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
