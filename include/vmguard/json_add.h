/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of an object that is being built. One for which there is no memory is left out, as
 * json-c does it. Pure.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

void json_add_text(struct json_object *o, const char *key, const char *text);
/* Nothing where the text is empty. */
void json_add_text_if(struct json_object *o, const char *key, const char *text);
void json_add_number(struct json_object *o, const char *key, uint64_t number);
void json_add_bool(struct json_object *o, const char *key, bool value);

/* Microseconds as milliseconds with three digits. */
void json_add_ms(struct json_object *o, const char *key, int64_t us);

/* Milliseconds since 1970 as "2026-11-22T17:23:05.123Z" (RFC 3339). */
void json_add_time(struct json_object *o, const char *key, int64_t time_ms);
