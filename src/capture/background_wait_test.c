/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine `background` while QEMU writes: what it hears, and asks where it cannot hear. */
#include "capture/background_fixture.h"

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

START_TEST(tells_who_resumed_before_it_began)
{
	struct engine_state state = {0};

	begin(NULL, NULL, 0);
	engine.began_us = 130;
	qemu.events[0] = (struct event){"STOP", NULL, 100};
	qemu.events[1] = (struct event){"RESUME", NULL, 120};
	qemu.events[2] = (struct event){"STOP", NULL, 140};
	qemu.events[3] = (struct event){"RESUME", NULL, 160};
	ck_assert_int_eq(wait(&state), 0);
	ck_assert_int_eq(state.early_us, 120);
	ck_assert_int_eq(state.stop_us, 140);
	ck_assert_int_eq(state.resume_us, 160);
}
END_TEST

START_TEST(asks_for_what_events_would_have_told)
{
	struct engine_state state = {0};

	begin("query-migrate", NULL, -EHOSTUNREACH);
	qemu.events[0] = (struct event){MONITOR_EVENTS_LOST, NULL, -1};
	ck_assert_int_eq(wait(&state), 0);
	ck_assert(!state.completed && !state.failed);
	qemu.replies[0] = (struct reply){"query-migrate", "{\"status\":\"completed\"}", 0};
	ck_assert_int_eq(wait(&state), 0); /* it has not forgotten to ask */
	ck_assert(state.completed && !state.failed);
	qemu.told[0] = '\0';
	ck_assert_int_eq(wait(&state), 0);
	ck_assert_str_eq(qemu.told, "");
}
END_TEST

START_TEST(finds_out_later_that_it_never_began)
{
	struct engine_state state = {0};

	begin("migrate fd", NULL, -ETIMEDOUT);
	qemu.replies[1] = (struct reply){"query-migrate", NULL, -ETIMEDOUT};
	ck_assert_int_eq(start(), 0);
	ck_assert_int_eq(wait(&state), 0);
	ck_assert(!state.failed);
	qemu.replies[1] = (struct reply){0};
	ck_assert_int_eq(wait(&state), 0);
	ck_assert(state.failed && !state.completed);
	ck_assert_ptr_nonnull(strstr(qemu.told, "closefd")); /* or its reader would wait for ever */
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

		begin("query-migrate", ends[i].json, 0);
		qemu.events[0] = (struct event){"JOB_STATUS_CHANGE", ends[1].json, 1};
		qemu.events[1] = migration(ends[i].json);
		qemu.events[2] = migration("{\"status\":\"active\"}");
		ck_assert_int_eq(wait(&state), 0);
		ck_assert_int_eq(state.completed, ends[i].completed);
		ck_assert_int_eq(state.failed, ends[i].failed);
	}
}
END_TEST

START_TEST(asks_whose_failure_it_was)
{
	struct engine_state state = {0};

	begin("query-migrate", "{\"status\":\"active\"}", 0);
	qemu.events[0] = migration("{\"status\":\"failed\"}"); /* of a save that was barred */
	qemu.events[1] = migration("{\"status\":\"setup\"}");
	ck_assert_int_eq(wait(&state), 0);
	ck_assert(!state.failed && !state.completed);
}
END_TEST

START_TEST(resets_at_once_where_it_is_complete)
{
	struct engine_state state = {0};

	begin(NULL, NULL, 0);
	ck_assert_int_eq(start(), 0);
	qemu.told[0] = '\0';
	qemu.events[0] = migration("{\"status\":\"active\"}");
	ck_assert_int_eq(wait(&state), 0);
	ck_assert_str_eq(qemu.told, "");
	qemu.events[1] = migration("{\"status\":\"completed\"}");
	ck_assert_int_eq(wait(&state), 0);
	ck_assert_int_eq(wait(&state), 0);
	ck_assert_int_eq(engine.ops->reset(&engine, &fault), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities background-snapshot=false; "
				    "query-migrate-parameters");
}
END_TEST

START_TEST(leaves_to_others_what_comes_after_its_end)
{
	struct engine_state state = {0};

	begin(NULL, NULL, 0);
	qemu.events[0] = migration("{\"status\":\"completed\"}");
	qemu.events[1] = migration("{\"status\":\"setup\"}");
	qemu.events[2] = migration("{\"status\":\"failed\"}");
	ck_assert_int_eq(wait(&state), 0);
	ck_assert(state.completed && !state.failed);
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

UNIT_MAIN("background_wait", takes_the_pause_from_qemus_own_clock,
	  tells_who_resumed_before_it_began, asks_for_what_events_would_have_told,
	  finds_out_later_that_it_never_began, notes_how_the_migration_ended,
	  asks_whose_failure_it_was, resets_at_once_where_it_is_complete,
	  leaves_to_others_what_comes_after_its_end, notes_what_came_before_qemu_went,
	  explains_a_failure_in_qemus_words)
