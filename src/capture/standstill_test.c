/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever fails while the guest stands still, it goes on, and its guard is told. */
#include "capture/standstill.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct fault fault;
static char told[512];	    /* commands and the guard, in their order */
static const char *refused; /* the command that fails, */
static int refusal;	    /* and how */
static const char *state = "paused";

static void tell(const char *word)
{
	if (told[0])
		strcat(told, " ");
	strcat(told, word);
}

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	(void)h;
	(void)pass_fd;
	json_object_put(arguments);
	tell(command);
	if (refused && !strcmp(command, refused))
		return fault_set(f, refusal, "%s: QEMU says no", command);
	if (result) {
		*result = json_object_new_object();
		json_object_object_add(*result, "status", json_object_new_string(state));
	}
	return 0;
}

static int fake_guard(void *context, bool armed, struct fault *f)
{
	(void)context;
	tell(armed ? "[armed]" : "[disarmed]");
	if (refused && !strcmp(refused, "guard"))
		return fault_set(f, refusal, "no guard");
	return 0;
}

static const struct hypervisor_ops ops = {.name = "fake", .execute = fake_execute};
static struct hypervisor qemu = {.ops = &ops};
static const struct capture_options options = {.guard = fake_guard};

/* A guest that runs, with one disk. */
static struct standstill begin(const char *command, int code)
{
	struct standstill s = {.h = &qemu, .options = &options, .ran = true};

	s.disks.disks = calloc(1, sizeof(*s.disks.disks));
	s.disks.count = 1;
	snprintf(s.disks.disks[0].node, DISK_TARGET_BYTES, "n-a");
	s.disks.disks[0].format = DISK_QCOW2;
	told[0] = '\0';
	refused = command;
	refusal = code;
	state = "paused";
	return s;
}

START_TEST(is_guarded_from_before_it_stops_until_it_runs)
{
	struct standstill s = begin(NULL, 0);

	ck_assert_int_eq(standstill_begin(&s, &fault), 0);
	ck_assert_int_eq(standstill_end(&s, &fault), 0);
	ck_assert_str_eq(told, "[armed] stop transaction query-status cont [disarmed]");
	ck_assert(s.taken && !s.stopped);
	standstill_clear(&s);
}
END_TEST

START_TEST(is_not_told_to_go_on_where_it_runs_by_itself)
{
	struct standstill s = begin(NULL, 0);

	ck_assert_int_eq(standstill_begin(&s, &fault), 0);
	state = "running";
	ck_assert_int_eq(standstill_end(&s, &fault), 0);
	ck_assert_int_eq(standstill_end(&s, &fault), 0);
	ck_assert_str_eq(told, "[armed] stop transaction query-status [disarmed]");
	standstill_clear(&s);
}
END_TEST

START_TEST(goes_on_at_once_where_a_snapshot_fails)
{
	struct standstill s = begin("transaction", -EREMOTEIO);

	ck_assert_int_eq(standstill_begin(&s, &fault), -EREMOTEIO);
	ck_assert_str_eq(told, "[armed] stop transaction cont [disarmed]");
	ck_assert(!s.taken && !s.stopped);
	standstill_clear(&s);
}
END_TEST

START_TEST(goes_on_where_it_may_have_been_stopped)
{
	struct standstill s = begin("stop", -ETIMEDOUT);

	ck_assert_int_eq(standstill_begin(&s, &fault), -ETIMEDOUT);
	ck_assert_str_eq(told, "[armed] stop cont [disarmed]");
	standstill_clear(&s);
}
END_TEST

START_TEST(is_not_stopped_without_a_guard)
{
	struct standstill s = begin("guard", -EPIPE);

	ck_assert_int_eq(standstill_begin(&s, &fault), -EPIPE);
	ck_assert_str_eq(told, "[armed]");
	standstill_clear(&s);
}
END_TEST

START_TEST(stays_guarded_where_it_cannot_be_told)
{
	struct standstill s = begin("cont", -ETIMEDOUT);

	ck_assert_int_eq(standstill_begin(&s, &fault), 0);
	ck_assert_int_eq(standstill_end(&s, &fault), -ETIMEDOUT);
	ck_assert_str_eq(told, "[armed] stop transaction query-status cont");
	ck_assert_ptr_nonnull(strstr(fault.text, "stands still"));
	ck_assert(s.stopped);
	standstill_clear(&s);
}
END_TEST

START_TEST(one_that_its_user_paused_is_left_paused)
{
	struct standstill s = begin(NULL, 0);

	s.ran = false;
	ck_assert_int_eq(standstill_begin(&s, &fault), 0);
	ck_assert_int_eq(standstill_end(&s, &fault), 0);
	ck_assert_str_eq(told, "transaction");
	standstill_clear(&s);
}
END_TEST

START_TEST(does_nothing_without_disks)
{
	struct standstill s = begin(NULL, 0);

	s.disks.count = 0;
	ck_assert_int_eq(standstill_begin(&s, &fault), 0);
	ck_assert_int_eq(standstill_end(&s, &fault), 0);
	ck_assert_str_eq(told, "");
	standstill_clear(&s);
}
END_TEST

START_TEST(its_parts_are_the_whole_pause)
{
	struct standstill s = {
		.ran = true, .taken = true, .stopped_us = 1300, .disks_us = 5300, .cont_us = 9500};
	struct pause_parts p = standstill_parts(&s, 1000, 9000, 10000);

	ck_assert_int_eq(p.stop_us, 300);
	ck_assert_int_eq(p.disks_us, 4000);
	ck_assert_int_eq(p.devices_us, 3700);
	ck_assert_int_eq(p.resume_us, 500);
	ck_assert_int_eq(p.own_us, 500);
	/* QEMU was faster than our look at its stream. */
	s.cont_us = 0;
	p = standstill_parts(&s, 1000, 11000, 10000);
	ck_assert_int_eq(p.devices_us, 4700);
	ck_assert_int_eq(p.resume_us, 0);
	ck_assert_int_eq(p.own_us, 0);
}
END_TEST

START_TEST(finds_that_somebody_let_it_go_on)
{
	struct standstill s = begin(NULL, 0);

	ck_assert_int_eq(standstill_begin(&s, &fault), 0);
	s.sent_us = 1000;
	ck_assert_int_eq(standstill_check(&s, 0, &fault), 0);
	ck_assert_int_eq(standstill_check(&s, 999, &fault), 0); /* before it was stopped */
	ck_assert_int_eq(standstill_check(&s, 1001, &fault), -EPERM);
	standstill_clear(&s);
}
END_TEST

UNIT_MAIN("standstill", finds_that_somebody_let_it_go_on,
	  is_guarded_from_before_it_stops_until_it_runs,
	  is_not_told_to_go_on_where_it_runs_by_itself, goes_on_at_once_where_a_snapshot_fails,
	  goes_on_where_it_may_have_been_stopped, is_not_stopped_without_a_guard,
	  stays_guarded_where_it_cannot_be_told, one_that_its_user_paused_is_left_paused,
	  does_nothing_without_disks, its_parts_are_the_whole_pause)
