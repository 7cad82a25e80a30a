/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What verbs need that ask vmguardd. */
#pragma once

#include "verb.h"
#include "vmguard/client.h"

/* vmguard.conf, or $VMGUARD_CONFIG, is read once. NULL: it names no store, or has mistakes, which
 * are told. */
const char *settings_store(void);

/* As --socket, --host and vmguard.conf say. Connects to nobody yet. */
int daemon_client(const struct arguments *a, const volatile int *stop, struct client **c,
		  struct fault *f);

/*
 * Follows a stream until ^C. A daemon that is started anew is waited for, and goes on where it was;
 * one that was never there is an error. `event` ends it with anything but 0; -EPIPE of it is none.
 */
int daemon_follow(const struct arguments *a, const char *path,
		  int (*event)(void *context, const struct client_event *e), void *context,
		  struct fault *f);

/* Of a guest: "/v1/guests/web%201" and what follows. */
enum { DAEMON_PATH_BYTES = 3 * STORE_NAME_BYTES + 64 };
void daemon_guest_path(const char *guest, const char *rest, char path[DAEMON_PATH_BYTES]);

/* Members of what the daemon has answered; "" and 0 where they are not there. */
const char *answer_text(struct json_object *o, const char *key);
int64_t answer_number(struct json_object *o, const char *key);
bool answer_has(struct json_object *o, const char *key);
/* As people see a date, in local time; "-" where there is none. */
const char *answer_time(struct json_object *o, const char *key, char text[32]);
