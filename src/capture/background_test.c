/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine `background`: what it checks, how it starts and puts back. */
#include "capture/background_fixture.h"

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
	ck_assert_str_eq(qemu.told, "query-migrate; query-migrate-capabilities; "
				    "query-migrate-parameters; query-status");
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
			 "[{\"capability\":\"background-snapshot\",\"state\":false},"
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

static const char left_on[] = "[{\"capability\":\"background-snapshot\",\"state\":true}]";

START_TEST(clears_what_a_killed_vmguard_left_on_also_where_it_refuses)
{
	begin("query-migrate-capabilities", left_on, 0);
	qemu.replies[1] = (struct reply){"query-status", "{\"status\":\"paused\"}", 0};
	ck_assert_int_eq(check(false), -EPERM);
	ck_assert_str_eq(qemu.told, "query-migrate; query-migrate-capabilities; query-migrate; "
				    "migrate-set-capabilities background-snapshot=false; "
				    "query-migrate-parameters; query-status");
	begin("query-migrate-capabilities", left_on, 0);
	qemu.replies[1] = (struct reply){"migrate-set-capabilities", NULL, -ETIMEDOUT};
	ck_assert_int_eq(check(false), -ETIMEDOUT);
}
END_TEST

static const char barred[] = "{\"tls-creds\":\"" MIGRATION_BAR "\"}";

START_TEST(unbars_migration_where_a_killed_vmguard_barred_it)
{
	begin("query-migrate-parameters", barred, 0);
	ck_assert_int_eq(check(false), 0);
	ck_assert_ptr_nonnull(strstr(qemu.told, "migrate-set-parameters ;"));
	begin("query-migrate-parameters", "{\"tls-creds\":\"tls0\"}", 0);
	ck_assert_int_eq(check(false), 0);
	ck_assert_ptr_null(strstr(qemu.told, "migrate-set-parameters"));
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

static const char capability_word[] = "background-snapshot";
static const char set_on[] = "migrate-set-capabilities background-snapshot=true";

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
				    "migrate-set-parameters " MIGRATION_BAR "; "
				    "migrate-set-capabilities background-snapshot=true; "
				    "migrate-set-parameters ; migrate fd:vmguard; "
				    "migrate-set-parameters " MIGRATION_BAR "; "
				    "migrate-set-capabilities background-snapshot=false; "
				    "query-migrate-parameters");
	ck_assert_int_eq(reset(), 0); /* once is enough */
	ck_assert_ptr_null(strstr(strstr(qemu.told, "=false") + 1, "=false"));
}
END_TEST

START_TEST(changes_nothing_where_events_or_getfd_fail)
{
	begin("migrate-set-capabilities events", NULL, -EREMOTEIO);
	ck_assert_int_eq(start(), -EREMOTEIO);
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities events=true; "
				    "closefd vmguard; query-migrate");
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
				    "migrate-set-parameters " MIGRATION_BAR "; "
				    "migrate-set-capabilities background-snapshot=true; "
				    "closefd vmguard; query-migrate; "
				    "migrate-set-capabilities background-snapshot=false; "
				    "query-migrate-parameters");
}
END_TEST

START_TEST(refuses_where_somebody_was_faster)
{
	begin("migrate fd", NULL, -EREMOTEIO);
	qemu.replies[1] = (struct reply){"query-migrate", "{\"status\":\"active\"}", 0};
	ck_assert_int_eq(start(), -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "has to be repeated"));
	ck_assert_int_eq(reset(), 0);
	begin(set_on, NULL, -EREMOTEIO);
	qemu.replies[1] = (struct reply){"query-migrate", "{\"status\":\"active\"}", 0};
	ck_assert_int_eq(start(), -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "under way"));
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
	ck_assert_str_eq(
		qemu.told,
		"migrate-set-capabilities events=true; getfd vmguard(42); "
		"migrate-set-parameters " MIGRATION_BAR "; "
		"migrate-set-capabilities background-snapshot=true; "
		"migrate-set-parameters ; migrate fd:vmguard; closefd vmguard; query-migrate; "
		"migrate-set-capabilities background-snapshot=false; "
		"query-migrate-parameters");
}
END_TEST

/* The check at which it finds somebody at work; told[] as it was then. */
static int busy_at, busy_until, checks;
static char told_before[1024];

static int busy(struct hypervisor *h, struct fault *f)
{
	if (++checks < busy_at || (busy_until && checks >= busy_until))
		return 0;
	strcpy(told_before, ((struct fake_qemu *)h)->told);
	return fault_set(f, -EPERM, "somebody saves the guest");
}

static void begin_busy(int at)
{
	static const struct hypervisor_ops ops = {
		.name = "fake", .execute = fake_execute, .event = fake_event, .check = busy};

	begin(NULL, NULL, 0);
	qemu.base.ops = &ops;
	busy_at = at;
	busy_until = checks = 0;
}

START_TEST(looks_at_the_last_moment_whether_somebody_works_on_the_guest)
{
	begin_busy(1);
	ck_assert_int_eq(start(), -EPERM);
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(told_before, "migrate-set-capabilities events=true; getfd vmguard(42)");
	ck_assert_ptr_null(strstr(qemu.told, capability_word));
	ck_assert_ptr_nonnull(strstr(qemu.told, "closefd"));
}
END_TEST

START_TEST(gives_way_to_somebody_who_began_just_then)
{
	begin_busy(2);
	ck_assert_int_eq(start(), -EPERM);
	ck_assert_int_eq(reset(), 0);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities events=true; getfd vmguard(42); "
				    "migrate-set-parameters " MIGRATION_BAR "; "
				    "migrate-set-capabilities background-snapshot=true; "
				    "closefd vmguard; "
				    "migrate-set-capabilities background-snapshot=false; "
				    "query-migrate-parameters");
}
END_TEST

/* What the caller does last, while the guest stands still. */
static int take_disks(void *context, struct fault *f)
{
	(void)context;
	(void)f;
	strcpy(told_before, qemu.told);
	return 0;
}

START_TEST(lifts_the_bar_when_the_guest_has_stood_still)
{
	begin(NULL, NULL, 0);
	engine.last = take_disks;
	ck_assert_int_eq(start(), 0);
	ck_assert_str_eq(told_before, "migrate-set-capabilities events=true; getfd vmguard(42); "
				      "migrate-set-parameters " MIGRATION_BAR "; "
				      "migrate-set-capabilities background-snapshot=true");
	ck_assert_str_eq(qemu.told + strlen(told_before),
			 "; migrate-set-parameters ; migrate fd:vmguard; "
			 "migrate-set-parameters " MIGRATION_BAR);
}
END_TEST

START_TEST(stays_barred_until_who_began_meanwhile_has_ended)
{
	for (int at = 2; at <= 3; at++) {
		begin_busy(at);
		engine.last = take_disks;
		ck_assert_int_eq(start(), -EPERM);
		ck_assert_ptr_null(strstr(qemu.told, "migrate fd"));
		ck_assert_ptr_null(strstr(qemu.told, "migrate-set-parameters ;"));
		busy_until = at + 2;
		ck_assert_int_eq(reset(), 0);
		ck_assert_int_eq(checks, busy_until);
		ck_assert_ptr_null(strstr(told_before, "background-snapshot=false"));
	}
}
END_TEST

/* A snapshot that may have begun must have its reader. */
START_TEST(goes_on_where_nobody_knows_whether_it_began)
{
	begin("migrate fd", NULL, -ETIMEDOUT);
	qemu.replies[1] = (struct reply){"query-migrate", NULL, -ETIMEDOUT};
	ck_assert_int_eq(start(), 0);
	ck_assert_ptr_null(strstr(qemu.told, "closefd"));
	begin("migrate fd", NULL, -ECONNRESET);
	qemu.replies[1] = (struct reply){"query-migrate", "{\"status\":\"active\"}", 0};
	ck_assert_int_eq(start(), 0);
	ck_assert_ptr_null(strstr(qemu.told, "closefd"));
	begin("migrate fd", NULL, -ECONNRESET); /* QEMU says that it has not */
	ck_assert_int_eq(start(), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(qemu.told, "closefd"));
}
END_TEST

START_TEST(says_that_the_guest_cannot_be_saved_where_it_stays_barred)
{
	begin("query-migrate-parameters", barred, 0);
	qemu.replies[1] = (struct reply){"migrate-set-parameters vmguard", NULL, -EREMOTEIO};
	ck_assert_int_eq(start(), 0); /* the snapshot is good without */
	qemu.replies[1] = (struct reply){"migrate-set-parameters", NULL, -ETIMEDOUT};
	ck_assert_int_eq(reset(), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(fault.text, "cannot be saved until vmguard rescue"));
	qemu.replies[1] = (struct reply){0};
	ck_assert_int_eq(reset(), 0);
	ck_assert_int_eq(reset(), 0);
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
	begin("migrate-set-capabilities background-snapshot=false", NULL, -ECONNRESET);
	ck_assert_int_eq(start(), 0);
	qemu.told[0] = '\0';
	ck_assert_int_eq(reset(), -ECONNRESET);
	ck_assert_str_eq(qemu.told, "migrate-set-capabilities background-snapshot=false; "
				    "migrate-set-capabilities background-snapshot=false");
}
END_TEST

UNIT_MAIN("background", allows_a_running_guest_and_changes_nothing,
	  refuses_a_paused_guest_unless_that_is_allowed, refuses_a_guest_that_is_being_restored,
	  refuses_a_guest_in_any_other_state, refuses_while_a_migration_is_under_way,
	  names_the_capability_that_is_in_the_way, refuses_a_qemu_without_background_snapshots,
	  clears_what_a_killed_vmguard_left_on_also_where_it_refuses,
	  unbars_migration_where_a_killed_vmguard_barred_it, hands_on_what_keeps_it_from_asking,
	  sets_the_capability_right_before_migrate_and_resets_it,
	  changes_nothing_where_events_or_getfd_fail, resets_where_the_capability_is_refused,
	  refuses_where_somebody_was_faster, resets_where_the_capability_is_not_answered,
	  resets_where_migrate_fails, looks_at_the_last_moment_whether_somebody_works_on_the_guest,
	  lifts_the_bar_when_the_guest_has_stood_still,
	  stays_barred_until_who_began_meanwhile_has_ended,
	  gives_way_to_somebody_who_began_just_then, goes_on_where_nobody_knows_whether_it_began,
	  says_that_the_guest_cannot_be_saved_where_it_stays_barred,
	  says_what_a_capability_that_stays_on_would_spoil)
