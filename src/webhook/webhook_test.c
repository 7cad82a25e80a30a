/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a web server that fails, hangs, is slow, or is not there. */
#include "vmguard/webhook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"
#include "webhook/http_peer.h"
#include "webhook/sign.h"

enum { FOREVER_MS = 60 * 1000, QUEUE_BYTES = 8 << 20 };

static struct fault fault;
static struct events *events;
static struct webhooks *webhooks;
static struct http_peer peer;
static char folder[64], url[64], secret[80], certificate[80];
static struct webhook_target target;

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

/* The peer listens and is to be started. */
static void begin(void)
{
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	strcpy(folder, "/tmp/vg-webhook-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(secret, sizeof(secret), "%s/secret", folder);
	snprintf(certificate, sizeof(certificate), "%s/certificate", folder);
	write_file(secret, "a secret\n");
	ck_assert_int_eq(events_new("host-a", 16, &events, &fault), 0);
	peer_listen(&peer, 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hook", peer.port);
	target = (struct webhook_target){.name = "chat",
					 .url = url,
					 .severity = EVENT_WARNING,
					 .queue_bytes = QUEUE_BYTES,
					 .timeout_ms = FOREVER_MS,
					 .retry_ms = 5};
}

static void open_them(const struct webhook_target *targets, size_t count)
{
	char queues[80];

	snprintf(queues, sizeof(queues), "%s/webhooks", folder);
	ck_assert_msg(webhooks_open(queues, targets, count, &webhooks, &fault) == 0, "%s",
		      fault.text);
	events_add_sink(events, webhooks_sink(webhooks));
}

static void close_them(int64_t limit_ms)
{
	events_remove_sink(events, webhooks_sink(webhooks));
	webhooks_close(webhooks, limit_ms);
}

static void end(void)
{
	char command[128];

	peer_stop(&peer);
	events_close(events);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0); // NOLINT(bugprone-command-processor)
}

static void add(enum event_kind kind, uint64_t number)
{
	struct event e;

	event_begin(&e, kind, "web1");
	e.checkpoint = number;
	event_say(&e, "it did not work");
	events_add(events, &e);
}

static void add_all(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++)
		add(EVENT_CAPTURE_FAILED, i);
}

static struct webhook_status status_of(size_t i)
{
	struct webhook_status status;

	webhooks_status(webhooks, i, &status);
	return status;
}

#define WAIT_UNTIL(condition)                              \
	for (int64_t until_ = monotonic_ms() + FOREVER_MS; \
	     !(condition) && monotonic_ms() < until_;)     \
		sleep_us(1000);                            \
	ck_assert(condition)

static uint64_t number_of(const char *request)
{
	const char *at = strstr(request, "\"checkpoint\":");

	ck_assert_msg(at != NULL, "%s", request);
	return strtoull(at + 13, NULL, 10);
}

/* The requests from `first` on have these numbers, each once. */
static void must_have_got(size_t first, uint64_t from, uint64_t to)
{
	ck_assert_uint_eq(peer_count(&peer), first + to - from + 1);
	for (size_t i = 0; i <= to - from; i++)
		ck_assert_uint_eq(number_of(peer.requests[first + i]), from + i);
}

START_TEST(events_arrive_in_order)
{
	begin();
	peer_start(&peer);
	open_them(&target, 1);
	add_all(1, 50);
	WAIT_UNTIL(status_of(0).delivered == 50);
	ck_assert_uint_eq(status_of(0).waiting, 0);
	close_them(0);
	must_have_got(0, 1, 50);
	ck_assert_int_eq(strncmp(peer.requests[0], "POST /hook HTTP/1.1\r\n", 21), 0);
	ck_assert_ptr_nonnull(strstr(peer.requests[0], "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(peer.requests[0], "\r\nUser-Agent: vmguard/"));
	ck_assert_ptr_nonnull(strstr(peer.requests[0], "\"kind\":\"capture-failed\""));
	ck_assert_ptr_null(strstr(peer.requests[0], "Vmguard-Signature"));
	end();
}
END_TEST

START_TEST(a_target_gets_what_is_severe_enough)
{
	begin();
	peer_start(&peer);
	open_them(&target, 1);
	add(EVENT_CHECKPOINT_TAKEN, 1);
	add(EVENT_CAPTURE_FAILED, 2);
	add(EVENT_GUEST_ENDED, 3);
	add(EVENT_GUEST_DIED, 4);
	close_them(FOREVER_MS);
	ck_assert_uint_eq(peer_count(&peer), 2);
	ck_assert_uint_eq(number_of(peer.requests[0]), 2);
	ck_assert_uint_eq(number_of(peer.requests[1]), 4);
	end();
}
END_TEST

START_TEST(requests_are_signed)
{
	char signature[SIGNATURE_BYTES];
	struct secret *key;

	begin();
	peer_start(&peer);
	target.secret_file = secret;
	open_them(&target, 1);
	add_all(1, 1);
	close_them(FOREVER_MS);
	must_have_got(0, 1, 1);
	const char *body = strstr(peer.requests[0], "\r\n\r\n") + 4;
	const char *header = strstr(peer.requests[0], "\r\nVmguard-Signature: ");
	ck_assert_ptr_nonnull(header);
	header += 21;
	int64_t time_s = strtoll(header + 2, NULL, 10);
	ck_assert_int_le(llabs(wall_ms() / 1000 - time_s), 600);
	ck_assert_int_eq(secret_read(secret, &key, &fault), 0);
	ck_assert_int_eq(secret_sign(key, time_s, body, signature, &fault), 0);
	ck_assert_int_eq(strncmp(header, signature, strlen(signature)), 0);
	secret_wipe(key);
	end();
}
END_TEST

static int fails_four_times(size_t request)
{
	static const int answers[] = {500, 404, PEER_CLOSES, 302};

	return request < 4 ? answers[request] : 204;
}

/* What is told next, which takes a while. */
static void must_be_told(enum event_kind kind, const char *words)
{
	struct pollfd wait = {.fd = webhooks_fd(webhooks), .events = POLLIN};
	struct event e;

	ck_assert_int_eq(poll(&wait, 1, FOREVER_MS), 1);
	ck_assert(webhooks_news(webhooks, &e));
	ck_assert_int_eq(e.kind, kind);
	ck_assert_msg(strstr(e.sentence, words) != NULL, "%s", e.sentence);
	ck_assert_ptr_null(strstr(e.sentence, "127.0.0.1"));
}

START_TEST(what_is_not_taken_comes_again)
{
	struct event e;

	begin();
	peer.status = fails_four_times;
	peer.header = "Location: /elsewhere\r\n";
	peer_start(&peer);
	open_them(&target, 1);
	add_all(1, 3);
	must_be_told(EVENT_WEBHOOK_FAILING, "webhook chat has taken no events for 0 s");
	must_be_told(EVENT_WEBHOOK_BACK, "webhook chat takes events again");
	WAIT_UNTIL(status_of(0).delivered == 3);
	ck_assert(!webhooks_news(webhooks, &e));
	struct pollfd idle = {.fd = webhooks_fd(webhooks), .events = POLLIN};
	ck_assert_int_eq(poll(&idle, 1, 0), 0);
	ck_assert_str_eq(status_of(0).why, "");
	close_them(0);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(number_of(peer.requests[i]), 1);
	must_have_got(4, 1, 3);
	for (size_t i = 2; i <= 4; i++) /* 5, 10, 20 ms: at least twice as long each time */
		ck_assert_int_ge(peer.at_ms[i] - peer.at_ms[i - 1], (5 << (i - 1)) - 1);
	ck_assert_ptr_null(strstr(peer.requests[4], "/elsewhere"));
	end();
}
END_TEST

static int busy_once(size_t request)
{
	return request ? 200 : 503;
}

START_TEST(a_target_may_ask_for_time)
{
	begin();
	peer.status = busy_once;
	peer.header = "Retry-After: 1\r\n";
	peer_start(&peer);
	open_them(&target, 1);
	add_all(1, 1);
	WAIT_UNTIL(status_of(0).delivered == 1);
	close_them(0);
	ck_assert_int_ge(peer.at_ms[1] - peer.at_ms[0], 990);
	end();
}
END_TEST

static int hangs_once(size_t request)
{
	return request ? 200 : PEER_HANGS;
}

START_TEST(a_target_that_hangs_is_tried_again)
{
	begin();
	peer.status = hangs_once;
	peer_start(&peer);
	target.timeout_ms = 100;
	open_them(&target, 1);
	add_all(1, 1);
	WAIT_UNTIL(status_of(0).failures == 1 || peer_count(&peer) > 1);
	WAIT_UNTIL(status_of(0).delivered == 1);
	close_them(0);
	ck_assert_uint_eq(number_of(peer.requests[peer.count - 1]), 1);
	end();
}
END_TEST

static int hangs(size_t request)
{
	(void)request;
	return PEER_HANGS;
}

START_TEST(a_target_that_hangs_holds_nobody_up)
{
	struct http_peer other;
	char other_url[64];

	begin();
	peer.status = hangs;
	peer_start(&peer);
	peer_listen(&other, 0);
	peer_start(&other);
	snprintf(other_url, sizeof(other_url), "http://127.0.0.1:%d/", other.port);
	struct webhook_target two[] = {target, target};
	two[1].name = "mail";
	two[1].url = other_url;
	open_them(two, 2);
	int64_t begin_ms = monotonic_ms();
	add_all(1, 300);
	ck_assert_int_lt(monotonic_ms() - begin_ms, 5000);
	WAIT_UNTIL(status_of(1).delivered == 300);
	ck_assert_uint_eq(status_of(0).waiting, 300);
	close_them(10);
	peer_stop(&other);
	end();
}
END_TEST

START_TEST(what_waits_is_sent_after_a_restart)
{
	begin();
	uint16_t port = peer.port;
	close(peer.listener); /* nobody is there */
	open_them(&target, 1);
	add_all(1, 20);
	WAIT_UNTIL(status_of(0).failures > 2);
	ck_assert_msg(status_of(0).why[0], "no reason");
	close_them(FOREVER_MS); /* which is not waited for one who fails */
	peer_listen(&peer, port);
	peer_start(&peer);
	open_them(&target, 1);
	add_all(21, 30);
	WAIT_UNTIL(status_of(0).delivered == 30);
	close_them(0);
	must_have_got(0, 1, 30);
	end();
}
END_TEST

static uint64_t told_to_be_dropped(void)
{
	struct pollfd wait = {.fd = webhooks_fd(webhooks), .events = POLLIN};
	struct event e;

	do {
		ck_assert_int_eq(poll(&wait, 1, FOREVER_MS), 1);
		ck_assert(webhooks_news(webhooks, &e));
	} while (e.kind != EVENT_WEBHOOK_DROPPED);
	ck_assert_str_eq(e.fields[1].name, "dropped");
	return e.fields[1].number;
}

START_TEST(the_oldest_go_when_there_is_no_room)
{
	begin();
	uint16_t port = peer.port;
	close(peer.listener);
	target.queue_bytes = 16 * 4096;
	open_them(&target, 1);
	add_all(1, 40);
	WAIT_UNTIL(status_of(0).dropped == 24);
	ck_assert_uint_eq(status_of(0).waiting, 16);
	ck_assert_uint_gt(told_to_be_dropped(), 0);
	close_them(0);
	peer_listen(&peer, port);
	peer_start(&peer);
	open_them(&target, 1);
	WAIT_UNTIL(status_of(0).delivered == 16);
	close_them(0);
	must_have_got(0, 25, 40);
	end();
}
END_TEST

START_TEST(closing_gives_time_to_those_who_take_events)
{
	begin();
	peer.delay_us = 1000;
	peer_start(&peer);
	open_them(&target, 1);
	add_all(1, 100);
	close_them(FOREVER_MS);
	must_have_got(0, 1, 100);
	end();
}
END_TEST

enum { KILLED_EVENTS = 150 };

/* Says when all are on disk, and goes on with them until it is killed. */
static void deliver_until_killed(int ready)
{
	open_them(&target, 1);
	add_all(1, KILLED_EVENTS);
	while (status_of(0).waiting + status_of(0).delivered < KILLED_EVENTS)
		sleep_us(1000);
	if (write(ready, "y", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* Each at least once, none before the one ahead of it; again only from where it was killed. */
static void must_be_complete(void)
{
	uint64_t newest = 0, again = 0;

	for (size_t i = 0; i < peer.count; i++) {
		uint64_t number = number_of(peer.requests[i]);

		ck_assert_uint_le(number, newest + 1);
		again += number <= newest;
		newest = number > newest ? number : newest;
	}
	ck_assert_uint_eq(newest, KILLED_EVENTS);
	ck_assert_uint_le(again, 1); /* that which was under way */
}

START_TEST(a_kill_loses_nothing_that_was_on_disk)
{
	for (size_t run = 0; run < 8; run++) {
		char yes;
		int ends[2];

		begin();
		peer.delay_us = 2000;
		ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
		pid_t pid = fork(); /* before there are threads */
		if (pid == 0)
			deliver_until_killed(ends[1]);
		peer_start(&peer);
		ck_assert_int_eq(read(ends[0], &yes, 1), 1);
		size_t before = peer_count(&peer);
		WAIT_UNTIL(peer_count(&peer) >= before + run * 7 ||
			   peer_count(&peer) == KILLED_EVENTS);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(ends[0]);
		close(ends[1]);
		open_them(&target, 1);
		WAIT_UNTIL(!status_of(0).waiting);
		close_them(FOREVER_MS);
		must_be_complete();
		end();
	}
}
END_TEST

START_TEST(a_server_must_have_a_certificate_that_is_trusted)
{
	begin();
	peer_use_tls(&peer, certificate);
	peer_start(&peer);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", peer.port);
	open_them(&target, 1);
	add_all(1, 1);
	WAIT_UNTIL(status_of(0).failures > 0);
	ck_assert_msg(strstr(status_of(0).why, "certificate") != NULL, "%s", status_of(0).why);
	close_them(0);
	ck_assert_uint_eq(peer_count(&peer), 0);
	target.ca_file = certificate;
	open_them(&target, 1);
	WAIT_UNTIL(status_of(0).delivered == 1);
	close_them(0);
	must_have_got(0, 1, 1);
	end();
}
END_TEST

START_TEST(what_is_wrong_is_said_at_once)
{
	struct webhooks *none;

	begin();
	peer_start(&peer);
	target.secret_file = "/nowhere/secret";
	ck_assert_int_eq(webhooks_open(folder, &target, 1, &none, &fault), -ENOENT);
	ck_assert_ptr_null(none);
	ck_assert_ptr_nonnull(strstr(fault.text, "webhook chat: "));
	ck_assert_ptr_nonnull(strstr(fault.text, "/nowhere/secret"));
	ck_assert_int_eq(webhooks_open("/nowhere/webhooks", &target, 1, &none, &fault), -ENOENT);
	webhooks_close(none, 0);
	open_them(NULL, 0);
	add_all(1, 3);
	close_them(FOREVER_MS);
	end();
}
END_TEST

UNIT_MAIN("webhook", a_kill_loses_nothing_that_was_on_disk, events_arrive_in_order,
	  a_target_gets_what_is_severe_enough, requests_are_signed, what_is_not_taken_comes_again,
	  a_target_may_ask_for_time, a_target_that_hangs_is_tried_again,
	  a_target_that_hangs_holds_nobody_up, what_waits_is_sent_after_a_restart,
	  the_oldest_go_when_there_is_no_room, closing_gives_time_to_those_who_take_events,
	  a_server_must_have_a_certificate_that_is_trusted, what_is_wrong_is_said_at_once)
