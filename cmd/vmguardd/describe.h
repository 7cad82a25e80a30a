/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's state as JSON, as integration/api/openapi.yaml has it. The caller puts it. */
#pragma once

#include <json-c/json.h>

#include "guest.h"

struct json_object *describe_host(const struct daemon *d);
struct json_object *describe_guests(const struct daemon *d);
struct json_object *describe_guest(const struct guest *g);
struct json_object *describe_history(const struct guest *g);
struct json_object *describe_policy(const char *guest, const struct policy *p);
