/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine `background` before a QEMU that answers from a script and keeps what it was told. */
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
		snprintf(text, 128, "%s %s%s", command, text_at(arguments, "fdname"),
			 text_at(arguments, "uri"));
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
static void begin(const char *command, const char *json, int code)
{
	static const struct hypervisor_ops ops = {
		.name = "fake", .execute = fake_execute, .event = fake_event};

	qemu = (struct fake_qemu){.base = {.ops = &ops}};
	qemu.replies[0] = (struct reply){command, json, code};
	engine_init(&engine, &qemu.base);
}

static int check(bool allow_resume)
{
	return engine.ops->check(&engine, allow_resume, &fault);
}

static void must_refuse(const char *words)
{
	ck_assert_int_eq(check(false), -EPERM);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
	ck_assert_ptr_null(strstr(qemu.told, "set-capabilities"));
}

/* ---- check ---------------------------------------------------------------------------- */

START_TEST(allows_a_running_guest_and_changes_nothing)
{
	begin(NULL, NULL, 0);
	ck_assert_int_eq(check(false), 0);
	ck_assert_str_eq(qemu.told, "query-migrate; query-status; query-migrate-capabilities");
}
END_TEST

START_TEST(refuses_a_paused_guest_unless_that_is_allowed)
{
	static const char *const states[] = {"paused", "prelaunch", "postmigrate"};
	char json[64];

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		snprintf(json, sizeof(json), "{\"status\":\"%s\"}", states[i]);
		begin("query-status", json, 0);
		must_refuse("--allow-resume");
		ck_assert_int_eq(check(true), 0);
	}
}
END_TEST

START_TEST(refuses_a_guest_that_is_being_restored)
{
	begin("query-status", "{\"status\":\"inmigrate\"}", 0);
	must_refuse("being restored");
	ck_assert_int_eq(check(true), -EPERM);
	begin("query-migrate", "{\"status\":\"postcopy-active\"}", 0);
	must_refuse("being restored");
	begin("query-migrate", "{\"status\":\"postcopy-paused\"}", 0);
	must_refuse("being restored");
}
END_TEST

START_TEST(refuses_a_guest_in_any_other_state)
{
	static const char *const states[] = {"internal-error", "io-error", "shutdown",
					     "guest-panicked", "save-vm",  "colo"};
	char json[64], words[64];

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		snprintf(json, sizeof(json), "{\"status\":\"%s\"}", states[i]);
		snprintf(words, sizeof(words), "\"%s\"", states[i]);
		begin("query-status", json, 0);
		must_refuse(words);
		ck_assert_int_eq(check(true), -EPERM);
	}
	begin("query-status", "{}", 0);
	must_refuse("\"\"");
}
END_TEST

START_TEST(refuses_while_a_migration_is_under_way)
{
	static const char *const busy[] = {"setup",  "active",	    "cancelling",
					   "device", "wait-unplug", "pre-switchover"};
	static const char *const idle[] = {"none", "completed", "failed", "cancelled"};
	char json[64];

	for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++) {
		snprintf(json, sizeof(json), "{\"status\":\"%s\"}", busy[i]);
		begin("query-migrate", json, 0);
		must_refuse(busy[i]);
		ck_assert_ptr_nonnull(strstr(fault.text, "vmguard rescue"));
	}
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		snprintf(json, sizeof(json), "{\"status\":\"%s\"}", idle[i]);
		begin("query-migrate", json, 0);
		ck_assert_msg(check(false) == 0, "%s", fault.text);
	}
}
END_TEST

START_TEST(names_the_capability_that_is_in_the_way)
{
	static const char *const names[] = {
		"postcopy-ram",	  "dirty-bitmaps",   "return-path",
		"multifd",	  "auto-converge",   "release-ram",
		"rdma-pin-all",	  "compress",	     "xbzrle",
		"x-colo",	  "validate-uuid",   "mapped-ram",
		"zero-copy-send", "x-ignore-shared", "pause-before-switchover"};
	char json[256], words[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(json, sizeof(json),
			 "[{\"capability\":\"background-snapshot\",\"state\":true},"
			 "{\"capability\":\"events\",\"state\":true},"
			 "{\"capability\":\"%s\",\"state\":true}]",
			 names[i]);
		snprintf(words, sizeof(words), "migration capability %s is on", names[i]);
		begin("query-migrate-capabilities", json, 0);
		must_refuse(words);
	}
}
END_TEST

START_TEST(refuses_a_qemu_without_background_snapshots)
{
	begin("query-migrate-capabilities", "[{\"capability\":\"xbzrle\",\"state\":false}]", 0);
	must_refuse("QEMU 6.0 or newer");
	begin("query-migrate-capabilities", "[{}, null, {\"capability\":\"a\"}]", 0);
	must_refuse("QEMU 6.0 or newer");
}
END_TEST

START_TEST(hands_on_what_keeps_it_from_asking)
{
	static const char *const commands[] = {"query-migrate", "query-status",
					       "query-migrate-capabilities"};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		begin(commands[i], NULL, -ETIMEDOUT);
		ck_assert_int_eq(check(true), -ETIMEDOUT);
	}
}
END_TEST

/* ---- start and reset ------------------------------------------------------------------ */

static const char set_on[] = "migrate-set-capabilities background-snapshot=true";

static int start(void)
{
	return engine.ops->start(&engine, FD, &fault);
}

static int reset(void)
{
	return engine.ops->reset(&engine, &fault);
}

START_TEST(sets_the_capability_right_before_migrate_and_resets_it)
{
	begin(NULL, NULL, 0);
	ck_assert_int_eq(start(), 0);
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities events=true; getfd vmguard(42); "
				    "migrate-set-capabilities background-snapshot=true; "
				    "migrate fd:vmguard; "
				    "migrate-set-capabilities background-snapshot=false");
	ck_assert_int_eq(reset(), 0); /* once is enough */
	ck_assert_ptr_null(strstr(strstr(qemu.told, "=false") + 1, "=false"));
}
END_TEST

START_TEST(changes_nothing_where_events_or_getfd_fail)
{
	begin("migrate-set-capabilities events", NULL, -EREMOTEIO);
	ck_assert_int_eq(start(), -EREMOTEIO);
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities events=true");
	begin("getfd", NULL, -EREMOTEIO);
	ck_assert_int_eq(start(), -EREMOTEIO);
	ck_assert_int_eq(reset(), 0);
	ck_assert_ptr_null(strstr(qemu.told, "background-snapshot"));
}
END_TEST

START_TEST(resets_where_the_capability_is_refused)
{
	begin(set_on, NULL, -EREMOTEIO);
	ck_assert_int_eq(start(), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(fault.text, "userfaultfd"));
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities events=true; getfd vmguard(42); "
				    "migrate-set-capabilities background-snapshot=true; "
				    "closefd vmguard; "
				    "migrate-set-capabilities background-snapshot=false");
}
END_TEST

/* The command may have been carried out although nobody said so. */
START_TEST(resets_where_the_capability_is_not_answered)
{
	begin(set_on, NULL, -ETIMEDOUT);
	ck_assert_int_eq(start(), -ETIMEDOUT);
	ck_assert_ptr_null(strstr(fault.text, "userfaultfd"));
	ck_assert_int_eq(reset(), 0);
	ck_assert_ptr_nonnull(strstr(qemu.told, "background-snapshot=false"));
}
END_TEST

START_TEST(resets_where_migrate_fails)
{
	begin("migrate fd", NULL, -EREMOTEIO);
	ck_assert_int_eq(start(), -EREMOTEIO);
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities events=true; getfd vmguard(42); "
				    "migrate-set-capabilities background-snapshot=true; "
				    "migrate fd:vmguard; closefd vmguard; "
				    "migrate-set-capabilities background-snapshot=false");
}
END_TEST

START_TEST(says_what_a_capability_that_stays_on_would_spoil)
{
	begin("migrate-set-capabilities background-snapshot=false", NULL, -ETIMEDOUT);
	ck_assert_int_eq(start(), 0);
	ck_assert_int_eq(reset(), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(fault.text, "the capability stays on"));
	qemu.replies[0] = (struct reply){0};
	ck_assert_int_eq(reset(), 0); /* it is tried again */
}
END_TEST

/* ---- events --------------------------------------------------------------------------- */

static int wait(struct engine_state *state)
{
	return engine.ops->wait(&engine, 0, state, &fault);
}

static struct event migration(const char *json)
{
	return (struct event){"MIGRATION", json, 9};
}

START_TEST(takes_the_pause_from_qemus_own_clock)
{
	struct engine_state state = {0};

	begin(NULL, NULL, 0);
	qemu.events[0] = migration("{\"status\":\"setup\"}");
	qemu.events[1] = (struct event){"RESUME", NULL, 90}; /* of something before */
	qemu.events[2] = (struct event){"STOP", NULL, 100};
	qemu.events[3] = (struct event){"RESUME", "{}", 140};
	qemu.events[4] = (struct event){"STOP", NULL, 500}; /* somebody else's */
	qemu.events[5] = (struct event){"RESUME", NULL, 600};
	ck_assert_int_eq(wait(&state), 0);
	ck_assert_int_eq(state.stop_us, 100);
	ck_assert_int_eq(state.resume_us, 140);
	ck_assert(!state.completed && !state.failed);
}
END_TEST

START_TEST(notes_how_the_migration_ended)
{
	static const struct {
		const char *json;
		bool completed, failed;
	} ends[] = {
		{"{\"status\":\"active\"}", false, false},
		{"{\"status\":\"completed\"}", true, false},
		{"{\"status\":\"failed\"}", false, true},
		{"{\"status\":\"cancelled\"}", false, true},
		{"{\"status\":\"cancelling\"}", false, false},
		{"{}", false, false},
		{NULL, false, false},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct engine_state state = {0};

		begin(NULL, NULL, 0);
		qemu.events[0] = (struct event){"JOB_STATUS_CHANGE", ends[1].json, 1};
		qemu.events[1] = migration(ends[i].json);
		qemu.events[2] = migration("{\"status\":\"active\"}");
		ck_assert_int_eq(wait(&state), 0);
		ck_assert_int_eq(state.completed, ends[i].completed);
		ck_assert_int_eq(state.failed, ends[i].failed);
	}
}
END_TEST

START_TEST(notes_what_came_before_qemu_went)
{
	struct engine_state state = {0};

	begin(NULL, NULL, 0);
	qemu.events[0] = migration("{\"status\":\"completed\"}");
	qemu.event_code = -ECONNRESET;
	ck_assert_int_eq(wait(&state), -ECONNRESET);
	ck_assert(state.completed);
}
END_TEST

START_TEST(explains_a_failure_in_qemus_words)
{
	begin("query-migrate", "{\"status\":\"failed\",\"error-desc\":\"disk on fire\"}", 0);
	ck_assert_int_eq(engine.ops->explain(&engine, &fault), -EREMOTEIO);
	ck_assert_str_eq(fault.text, "QEMU's snapshot failed: disk on fire");
	begin("query-migrate", "{}", 0);
	engine.ops->explain(&engine, &fault);
	ck_assert_str_eq(fault.text, "QEMU's snapshot failed: it gives no reason");
	begin("query-migrate", NULL, -ECONNRESET);
	ck_assert_int_eq(engine.ops->explain(&engine, &fault), -EREMOTEIO);
}
END_TEST

UNIT_MAIN("background", allows_a_running_guest_and_changes_nothing,
	  refuses_a_paused_guest_unless_that_is_allowed, refuses_a_guest_that_is_being_restored,
	  refuses_a_guest_in_any_other_state, refuses_while_a_migration_is_under_way,
	  names_the_capability_that_is_in_the_way, refuses_a_qemu_without_background_snapshots,
	  hands_on_what_keeps_it_from_asking,
	  sets_the_capability_right_before_migrate_and_resets_it,
	  changes_nothing_where_events_or_getfd_fail, resets_where_the_capability_is_refused,
	  resets_where_the_capability_is_not_answered, resets_where_migrate_fails,
	  says_what_a_capability_that_stays_on_would_spoil, takes_the_pause_from_qemus_own_clock,
	  notes_how_the_migration_ended, notes_what_came_before_qemu_went,
	  explains_a_failure_in_qemus_words)
