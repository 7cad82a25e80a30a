/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON that somebody has sent: read strictly, and whole. Pure. */
#pragma once

#include <json-c/json.h>
#include <stddef.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum { JSON_TEXT_DEPTH = 32 };

SCOPE_CLOSER(json_object_put, struct json_object)

/*
 * An object, which the caller puts. -EBADMSG: it is none, or there is more; the sentence says
 * where. -ENOMEM.
 */
int json_text_read(const char *bytes, size_t count, struct json_object **o, struct fault *f);

/* On one line; the caller frees it. NULL: no memory. */
char *json_text_write(struct json_object *o);

/* A member that is a text, or NULL. It lives as long as the object. */
const char *json_text_member(struct json_object *o, const char *name);
