/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/inbox.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "vmguard/deadline.h"

enum { LONG_MS = 60000 };

static struct inbox *inbox;
static struct monitor_event event;

static void must_take(const char *name, int limit_ms)
{
	ck_assert_int_eq(inbox_take(inbox, limit_ms, &event), 1);
	ck_assert_str_eq(event.name, name);
}

START_TEST(gives_events_in_their_order_with_data_and_time)
{
	inbox = inbox_new();
	inbox_post(inbox, "STOP", NULL, 5);
	inbox_post(inbox, "MIGRATION", "{\"status\":\"active\"}", 7);
	must_take("STOP", 0);
	ck_assert_ptr_null(event.data);
	ck_assert_int_eq(event.time_us, 5);
	must_take("MIGRATION", 0);
	char status[32];
	ck_assert(event_is_migration(&event, status));
	ck_assert_str_eq(status, "active");
	json_object_put(event.data);
	ck_assert_int_eq(inbox_take(inbox, 0, &event), 0);
	inbox_unref(inbox);
}
END_TEST

START_TEST(drops_the_oldest_and_says_so)
{
	char name[16];

	inbox = inbox_new();
	for (int i = 0; i <= INBOX_EVENTS_MAX; i++) {
		snprintf(name, sizeof(name), "EVENT_%d", i);
		inbox_post(inbox, name, NULL, 0);
	}
	must_take(MONITOR_EVENTS_LOST, 0);
	must_take("EVENT_1", 0);
	must_take("EVENT_2", 0);
	inbox_unref(inbox); /* with what nobody took */
}
END_TEST

START_TEST(keeps_what_came_before_the_end)
{
	char how[64];

	inbox = inbox_new();
	inbox_post(inbox, "SHUTDOWN", "not JSON", 0);
	ck_assert(!inbox_ended(inbox, how));
	inbox_end(inbox, "it was shut down");
	must_take("SHUTDOWN", 0);
	ck_assert_ptr_null(event.data);
	ck_assert_int_eq(inbox_take(inbox, LONG_MS, &event), 0);
	ck_assert(inbox_ended(inbox, how));
	ck_assert_str_eq(how, "it was shut down");
	inbox_unref(inbox);
}
END_TEST

START_TEST(a_loss_comes_before_what_is_there)
{
	inbox = inbox_new();
	inbox_post(inbox, "RESUME", NULL, 0);
	inbox_note_loss(inbox);
	must_take(MONITOR_EVENTS_LOST, 0);
	must_take("RESUME", 0);
	inbox_unref(inbox);
}
END_TEST

static void *post(void *name)
{
	inbox_post(inbox, name, NULL, 0);
	inbox_unref(inbox);
	return NULL;
}

START_TEST(wakes_the_one_who_waits)
{
	static char name[] = "STOP";

	inbox = inbox_ref(inbox_new());
	ck_assert_int_eq(deadline_detach(post, name), 0);
	must_take("STOP", LONG_MS);
	inbox_wake(inbox);
	ck_assert_int_eq(inbox_take(inbox, LONG_MS, &event), 0);
	inbox_unref(inbox);
}
END_TEST

UNIT_MAIN("inbox", gives_events_in_their_order_with_data_and_time, drops_the_oldest_and_says_so,
	  keeps_what_came_before_the_end, a_loss_comes_before_what_is_there,
	  wakes_the_one_who_waits)
