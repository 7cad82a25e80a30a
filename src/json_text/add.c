/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "vmguard/json_add.h"

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void json_add_text_if(struct json_object *o, const char *key, const char *text)
{
	if (*text)
		json_add_text(o, key, text);
}

void json_add_number(struct json_object *o, const char *key, uint64_t number)
{
	json_object_object_add(o, key, json_object_new_uint64(number));
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void json_add_ms(struct json_object *o, const char *key, int64_t us)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%" PRId64 ".%03d", us / 1000, (int)(us % 1000));
	json_object_object_add(o, key, json_object_new_double_s(us / 1e3, digits));
}

void json_add_time(struct json_object *o, const char *key, int64_t time_ms)
{
	const time_t seconds = time_ms / 1000;
	char date[32], text[48];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(time_ms % 1000));
	json_add_text(o, key, text);
}
