/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libqmp against a scripted QEMU (qmp_peer.h); the answers are recorded from QEMU 7.2. */
#include "vmguard/qmp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qmp/qmp_peer.h"
#include "qmp/qmp_socket.h"
#include "unit.h"

enum { LIMIT_MS = 20000, SHORT_MS = 50 };

#define STATUS_2 "{\"return\": {\"status\": \"prelaunch\", \"running\": false}, \"id\": 2}\r\n"
#define STATUS_3 "{\"return\": {\"status\": \"paused\", \"running\": false}, \"id\": 3}\r\n"
#define RESUME_EVENT                                                                       \
	"{\"timestamp\": {\"seconds\": 1795370285, \"microseconds\": 327836}, \"event\": " \
	"\"RESUME\"}\r\n"
#define MIGRATION_EVENT                                                                    \
	"{\"timestamp\": {\"seconds\": 1795370285, \"microseconds\": 829083}, \"event\": " \
	"\"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n"

static struct qmp_error error;
static struct qmp *q;
static struct peer peer;

static void pair(int fds[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static int attach(const struct peer_step *steps, size_t count, size_t piece)
{
	int fds[2];

	pair(fds);
	peer = (struct peer){.fd = fds[1], .steps = steps, .step_count = count, .piece = piece};
	peer_start(&peer);
	return qmp_attach(fds[0], LIMIT_MS, &q, &error);
}

#define ATTACH(steps) ck_assert_int_eq(attach(steps, sizeof(steps) / sizeof((steps)[0]), 0), 0)

static void finish(void)
{
	qmp_close(q);
	peer_join(&peer);
	ck_assert_str_eq(peer.surprise, "");
}

/* Runs a command; the "status" of its return value goes to status[16]. */
static int execute(const char *name, int limit_ms, char *status)
{
	struct qmp_command c = {.name = name, .limit_ms = limit_ms};
	struct json_object *result = NULL, *value = NULL;
	int r = qmp_execute(q, &c, &result, &error);

	status[0] = '\0';
	if (json_object_object_get_ex(result, "status", &value))
		strncat(status, json_object_get_string(value), 15);
	json_object_put(result);
	return r;
}

static void expect_event(const char *name)
{
	struct qmp_event event;

	ck_assert_int_eq(qmp_event(q, LIMIT_MS, &event, &error), 1);
	ck_assert_str_eq(event.name, name);
	qmp_event_clear(&event);
}

START_TEST(greets_and_runs_a_command_cut_at_every_byte)
{
	static const struct peer_step steps[] = {PEER_GREETS, {"\"query-status\"", STATUS_2}};
	char status[16];

	for (size_t piece = 1; piece < sizeof(PEER_GREETING); piece++) {
		ck_assert_int_eq(attach(steps, 3, piece), 0);
		ck_assert_str_eq(qmp_version(q), "7.2.22");
		ck_assert(qmp_has_oob(q));
		ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
		ck_assert_str_eq(status, "prelaunch");
		finish();
	}
}
END_TEST

START_TEST(queues_the_events_that_come_before_a_reply)
{
	static const struct peer_step steps[] = {
		PEER_GREETS, {"cont", RESUME_EVENT MIGRATION_EVENT "{\"return\": {}, \"id\": 2}"}};
	struct qmp_event event;
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(execute("cont", LIMIT_MS, status), 0);
	ck_assert_int_eq(qmp_event(q, 0, &event, &error), 1);
	ck_assert_str_eq(event.name, "RESUME");
	ck_assert_int_eq(event.time_us, 1795370285327836);
	ck_assert_ptr_null(event.data);
	qmp_event_clear(&event);
	ck_assert_int_eq(qmp_event(q, 0, &event, &error), 1);
	ck_assert_str_eq(event.name, "MIGRATION");
	ck_assert_ptr_nonnull(event.data);
	qmp_event_clear(&event);
	ck_assert_int_eq(qmp_event(q, LIMIT_MS, &event, &error), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(error.text, "while an event was awaited"));
	finish();
}
END_TEST

START_TEST(takes_an_event_of_64_kib)
{
	static char text[70000];
	static const struct peer_step steps[] = {PEER_GREETS, {NULL, text}};
	struct qmp_event event;
	char *at = stpcpy(text, "{\"event\": \"BIG\", \"data\": {\"text\": \"");

	memset(at, 'x', 64 << 10);
	strcpy(at + (64 << 10), "\"}}\r\n" RESUME_EVENT);
	ATTACH(steps);
	ck_assert_int_eq(qmp_event(q, LIMIT_MS, &event, &error), 1);
	ck_assert_str_eq(event.name, "BIG");
	ck_assert_int_gt((int)strlen(json_object_to_json_string(event.data)), 64 << 10);
	qmp_event_clear(&event);
	expect_event("RESUME");
	finish();
}
END_TEST

START_TEST(drops_the_oldest_events_when_nobody_asks)
{
	static char text[5000 * 32];
	static const struct peer_step steps[] = {PEER_GREETS, {"query-status", text}};
	char status[16], *at = text;

	for (int i = 0; i < 4100; i++)
		at += sprintf(at, "{\"event\": \"E%d\"}\n", i);
	strcpy(at, STATUS_2);
	ATTACH(steps);
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
	ck_assert_uint_eq(qmp_events_dropped(q), 4);
	expect_event("E4");
	expect_event("E5");
	finish();
}
END_TEST

START_TEST(gives_the_class_and_the_reason_of_a_refusal)
{
	static const struct peer_step steps[] = {
		PEER_GREETS,
		{"nope", "{\"id\": 2, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The "
			 "command nope has not been found\"}}\r\n"},
		{"query-status", STATUS_3}};
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(execute("nope", LIMIT_MS, status), -EREMOTEIO);
	ck_assert_int_eq(error.code, -EREMOTEIO);
	ck_assert_str_eq(error.class, "CommandNotFound");
	ck_assert_str_eq(error.text, "QEMU refused nope: The command nope has not been found");
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
	ck_assert_str_eq(status, "paused");
	finish();
}
END_TEST

START_TEST(takes_an_error_without_an_id_for_the_command_that_waits)
{
	static const struct peer_step steps[] = {
		PEER_GREETS,
		{"query-status", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse "
				 "error, invalid keyword 'garbage'\"}}\r\n"
				 "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse "
				 "error, expecting value\"}}\r\n"},
		{"query-status", STATUS_3}};
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(error.text, "invalid keyword"));
	/* the second error of the same command is not the next one's */
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
	finish();
}
END_TEST

START_TEST(drops_the_late_reply_of_a_command_that_timed_out)
{
	static const struct peer_step steps[] = {
		PEER_GREETS, {"query-status", NULL}, {"query-status", STATUS_2 STATUS_3}};
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(execute("query-status", SHORT_MS, status), -ETIMEDOUT);
	ck_assert_str_eq(error.text, "QEMU did not send the reply to query-status within 50 ms");
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
	ck_assert_str_eq(status, "paused");
	finish();
}
END_TEST

START_TEST(names_the_command_when_qemu_goes_in_the_middle_of_a_reply)
{
	static const struct peer_step steps[] = {PEER_GREETS, {"migrate", "{\"return\": {"}};
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(execute("migrate", LIMIT_MS, status), -ECONNRESET);
	ck_assert_str_eq(error.text,
			 "QEMU closed the monitor connection while the reply to migrate "
			 "was awaited, in the middle of a message");
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(error.text, "the reply to query-status cannot come"));
	finish();
}
END_TEST

START_TEST(gives_up_a_connection_that_talks_garbage)
{
	static const struct peer_step steps[] = {
		PEER_GREETS, {"stop", RESUME_EVENT "<html>"}, {"never", NULL}};
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(execute("stop", LIMIT_MS, status), -EPROTO);
	ck_assert_ptr_nonnull(strstr(error.text, "while the reply to stop was awaited: byte 0x3c"));
	ck_assert_int_eq(execute("cont", LIMIT_MS, status), -EPROTO);
	expect_event("RESUME"); /* it came before */
	qmp_close(q);
	peer_join(&peer);
	ck_assert_ptr_nonnull(strstr(peer.surprise, "instead of never"));
}
END_TEST

START_TEST(is_not_a_server_of_another_protocol)
{
	static const struct peer_step steps[] = {{NULL, "QEMU 7.2.22 monitor\r\n"}};
	static const struct peer_step ungreeted[] = {{NULL, RESUME_EVENT}};

	ck_assert_int_eq(attach(steps, 1, 0), -EPROTO);
	ck_assert_str_eq(error.text, "not a QMP server: byte 0x51 at offset 0 does not begin a "
				     "message");
	finish();
	ck_assert_int_eq(attach(ungreeted, 1, 0), -EPROTO);
	ck_assert_ptr_nonnull(strstr(error.text, "the first message is no greeting"));
	finish();
}
END_TEST

START_TEST(waits_no_longer_than_its_limit_for_a_greeting)
{
	int64_t before_ms = qmp_now_ms();
	int fds[2];

	pair(fds);
	ck_assert_int_eq(qmp_attach(fds[0], SHORT_MS, &q, &error), -ETIMEDOUT);
	ck_assert_ptr_null(q);
	ck_assert_ptr_nonnull(strstr(error.text, "another client holds the monitor"));
	ck_assert_int_ge(qmp_now_ms() - before_ms, SHORT_MS);
	ck_assert_int_lt(qmp_now_ms() - before_ms, 60 * SHORT_MS);
	close(fds[1]);
}
END_TEST

START_TEST(passes_a_descriptor_with_the_first_byte)
{
	static const struct peer_step steps[] = {PEER_GREETS,
						 {"getfd", "{\"return\": {}, \"id\": 2}\r\n"}};
	int ends[2];
	char byte = 0;

	ck_assert_int_eq(pipe(ends), 0);
	ATTACH(steps);
	struct qmp_command c = {.name = "getfd",
				.arguments = json_tokener_parse("{\"fdname\": \"stream\"}"),
				.pass_fd = ends[1],
				.limit_ms = LIMIT_MS};
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), 0);
	finish();
	close(ends[1]);
	ck_assert_int_ge(peer.passed_fd, 0);
	ck_assert_int_eq(write(peer.passed_fd, "v", 1), 1);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'v');
	close(peer.passed_fd);
	close(ends[0]);
}
END_TEST

START_TEST(survives_a_descriptor_that_is_closed)
{
	static const struct peer_step steps[] = {PEER_GREETS, {"query-status", STATUS_3}};
	struct qmp_command c = {.name = "getfd", .pass_fd = 1 << 20, .limit_ms = LIMIT_MS};
	char status[16];

	ATTACH(steps);
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), -EBADF);
	ck_assert_ptr_nonnull(strstr(error.text, "the reply to getfd"));
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
	finish();
}
END_TEST

/* A command of 2 MiB, more than a socket's buffer. */
static struct qmp_command large_command(int limit_ms)
{
	struct json_object *arguments = json_object_new_object();
	char *text = calloc(1, (2 << 20) + 1);

	memset(text, 'x', 2 << 20);
	json_object_object_add(arguments, "text", json_object_new_string(text));
	free(text);
	return (struct qmp_command){.name = "large", .arguments = arguments, .limit_ms = limit_ms};
}

START_TEST(finishes_a_half_sent_command_before_the_next)
{
	static const struct peer_step greeting[] = {PEER_GREETS};
	static const struct peer_step later[] = {{"large", NULL},
						 {"query-status", STATUS_2 STATUS_3}};
	struct qmp_command c = large_command(SHORT_MS);
	char status[16];
	int fds[2];

	pair(fds);
	peer = (struct peer){.fd = fds[1], .steps = greeting, .step_count = 2, .stays = true};
	peer_start(&peer);
	ck_assert_int_eq(qmp_attach(fds[0], LIMIT_MS, &q, &error), 0);
	peer_join(&peer);
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(error.text, "stopped reading its monitor"));
	/* nobody reads yet: the next command is not even begun */
	ck_assert_int_eq(execute("query-name", SHORT_MS, status), -ETIMEDOUT);
	peer = (struct peer){.fd = fds[1], .steps = later, .step_count = 2};
	peer_start(&peer);
	ck_assert_int_eq(execute("query-status", LIMIT_MS, status), 0);
	ck_assert_str_eq(status, "paused");
	ck_assert_uint_gt(peer.longest, 2 << 20);
	finish();
}
END_TEST

START_TEST(raises_no_signal_when_nobody_reads_any_more)
{
	static const struct peer_step steps[] = {PEER_GREETS};
	struct qmp_command c = large_command(LIMIT_MS);

	ATTACH(steps);
	peer_join(&peer); /* it has closed its end */
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(error.text, "the reply to large"));
	qmp_close(q);
}
END_TEST

START_TEST(runs_out_of_band_only_where_it_was_negotiated)
{
	static const struct peer_step with[] = {
		PEER_GREETS,
		{"{\"exec-oob\":\"migrate-pause\"", "{\"return\": {}, \"id\": 2}\r\n"}};
	static const struct peer_step without[] = {
		{NULL, PEER_GREETING_NO_OOB},
		{"{\"execute\":\"qmp_capabilities\",\"id\":1}", "{\"return\": {}, \"id\": 1}\r\n"}};
	struct qmp_command c = {.name = "migrate-pause", .flags = QMP_OOB, .limit_ms = LIMIT_MS};

	ATTACH(with);
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), 0);
	finish();
	ATTACH(without);
	ck_assert(!qmp_has_oob(q));
	c.arguments = json_object_new_object();
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), -EOPNOTSUPP);
	ck_assert_str_eq(error.text,
			 "migrate-pause cannot run out-of-band: QEMU did not offer that");
	finish();
}
END_TEST

START_TEST(knows_the_process_at_the_other_end)
{
	static const struct peer_step steps[] = {PEER_GREETS};

	ATTACH(steps);
	ck_assert_int_eq(qmp_peer_pid(q), getpid());
	finish();
}
END_TEST

START_TEST(goes_on_with_a_connection_that_somebody_left)
{
	static const struct peer_step steps[] = {
		{NULL, "\"paused\"}, \"id\": 1}\r\n" STATUS_2 RESUME_EVENT},
		{"{\"exec-oob\":\"migrate-recover\"",
		 "{\"error\": {\"class\": \"GenericError\", \"desc\": \"old\"}, \"id\": 3}\r\n"}};
	struct qmp_command c = {.name = "migrate-recover", .flags = QMP_OOB, .limit_ms = SHORT_MS};
	int fds[2];

	pair(fds);
	peer = (struct peer){.fd = fds[1], .steps = steps, .step_count = 2, .stays = true};
	peer_start(&peer);
	ck_assert_int_eq(qmp_adopt(fds[0], "10.0.2", &q, &error), 0);
	ck_assert_str_eq(qmp_version(q), "10.0.2");
	/* the answers to others are none to this */
	ck_assert_int_eq(qmp_execute(q, &c, NULL, &error), -ETIMEDOUT);
	expect_event("RESUME");
	finish();
	close(fds[1]);
}
END_TEST

UNIT_MAIN("qmp", goes_on_with_a_connection_that_somebody_left,
	  greets_and_runs_a_command_cut_at_every_byte, queues_the_events_that_come_before_a_reply,
	  takes_an_event_of_64_kib, drops_the_oldest_events_when_nobody_asks,
	  gives_the_class_and_the_reason_of_a_refusal,
	  takes_an_error_without_an_id_for_the_command_that_waits,
	  drops_the_late_reply_of_a_command_that_timed_out,
	  names_the_command_when_qemu_goes_in_the_middle_of_a_reply,
	  gives_up_a_connection_that_talks_garbage, is_not_a_server_of_another_protocol,
	  waits_no_longer_than_its_limit_for_a_greeting, passes_a_descriptor_with_the_first_byte,
	  survives_a_descriptor_that_is_closed, finishes_a_half_sent_command_before_the_next,
	  raises_no_signal_when_nobody_reads_any_more,
	  runs_out_of_band_only_where_it_was_negotiated, knows_the_process_at_the_other_end)
