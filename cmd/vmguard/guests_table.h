/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `status` shows: the daemon's list of guests in 80 columns. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* `list`: what GET /v1/guests answers. */
void guests_table_print(FILE *out, struct json_object *list, bool colours);

/* One of them, with all there is to say. */
void guest_print(FILE *out, struct json_object *guest, bool colours);

/* Whether somebody should look at it: it is down, failing, lost or late. */
bool guest_needs_help(struct json_object *guest);
