/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A QEMU that answers from a script and keeps what it was told, and an engine before it. */
#pragma once

#include "capture/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

enum { FD = 42, REPLIES_MAX = 8, EVENTS_MAX = 16 };

static struct fault fault;

struct reply {
	const char *command; /* and the beginning of its arguments; "": any */
	const char *json;    /* NULL: refused with `code` */
	int code;
};

struct event {
	const char *name;
	const char *json;
	int64_t time_us;
};

struct fake_qemu {
	struct hypervisor base;
	struct reply replies[REPLIES_MAX]; /* before those below; ends with an empty one */
	struct event events[EVENTS_MAX];
	size_t next_event;
	int event_code; /* after the last event */
	char told[1024];
};

static const struct reply usual[] = {
	{"query-migrate", "{}", 0},
	{"query-status", "{\"status\":\"running\"}", 0},
	{"query-migrate-capabilities",
	 "[{\"capability\":\"xbzrle\",\"state\":false},"
	 "{\"capability\":\"background-snapshot\",\"state\":false}]",
	 0},
	{"", "{}", 0},
};

static const char *text_at(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value ? json_object_get_string(value) : "";
}

/* "migrate-set-capabilities events=true", "getfd vmguard(42)", "migrate fd:vmguard", … */
static void describe(const char *command, struct json_object *arguments, int fd, char text[128])
{
	struct json_object *list = NULL;

	snprintf(text, 128, "%s", command);
	if (json_object_object_get_ex(arguments, "capabilities", &list)) {
		ck_assert_uint_eq(json_object_array_length(list), 1);
		struct json_object *one = json_object_array_get_idx(list, 0);

		snprintf(text, 128, "%s %s=%s", command, text_at(one, "capability"),
			 text_at(one, "state"));
	} else if (fd >= 0) {
		snprintf(text, 128, "%s %s(%d)", command, text_at(arguments, "fdname"), fd);
	} else if (arguments) {
		snprintf(text, 128, "%s %s%s%s", command, text_at(arguments, "fdname"),
			 text_at(arguments, "uri"), text_at(arguments, "tls-creds"));
	}
}

/* "query-migrate" is not the beginning of "query-migrate-capabilities". */
static bool is_for(const struct reply *r, const char *text)
{
	size_t length = strlen(r->command);

	return !length || (!strncmp(text, r->command, length) && text[length] != '-');
}

static const struct reply *find_reply(const struct reply *r, const char *text)
{
	while (r->command && !is_for(r, text))
		r++;
	return r->command ? r : NULL;
}

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	struct fake_qemu *q = (struct fake_qemu *)h;
	char text[128];

	describe(command, arguments, pass_fd, text);
	json_object_put(arguments);
	size_t end = strlen(q->told);
	snprintf(q->told + end, sizeof(q->told) - end, "%s%s", end ? "; " : "", text);
	const struct reply *r = find_reply(q->replies, text);
	if (!r)
		r = find_reply(usual, text);
	if (!r->json)
		return fault_set(f, r->code, "%s: QEMU says no", text);
	if (result)
		*result = json_tokener_parse(r->json);
	return 0;
}

static int fake_event(struct hypervisor *h, int limit_ms, struct monitor_event *event,
		      struct fault *f)
{
	struct fake_qemu *q = (struct fake_qemu *)h;
	const struct event *e = &q->events[q->next_event];

	(void)limit_ms;
	if (!e->name)
		return q->event_code ? fault_set(f, q->event_code, "QEMU is gone") : 0;
	q->next_event++;
	*event = (struct monitor_event){.time_us = e->time_us};
	strcpy(event->name, e->name);
	event->data = e->json ? json_tokener_parse(e->json) : NULL;
	return 1;
}

static struct fake_qemu qemu;
static struct engine engine;

/* A QEMU as usual, but for this reply. */
static inline void begin(const char *command, const char *json, int code)
{
	static const struct hypervisor_ops ops = {
		.name = "fake", .execute = fake_execute, .event = fake_event};

	qemu = (struct fake_qemu){.base = {.ops = &ops}};
	qemu.replies[0] = (struct reply){command, json, code};
	engine_init(&engine, &qemu.base);
}

static inline int start(void)
{
	return engine.ops->start(&engine, FD, &fault);
}
