/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done once the guest runs, with a QEMU and an agent that are played. */
#include "restore/afterwards.h"

#include <errno.h>
#include <string.h>

#include "guest_agent/agent_peer.h"
#include "unit.h"

static struct agent_peer peer;
static struct afterwards result;

struct fake_qemu {
	struct hypervisor base;
	const char *status;   /* of query-status */
	const char *networks; /* of info network */
	const char *devices;  /* of qom-list */
	const char *refuses;  /* a command, or NULL */
	int rounds;	      /* that it was told to announce */
};

static const struct fake_qemu usual = {
	.status = "{\"status\": \"running\"}",
	.networks = "\"net0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56\\r\\n\"",
	.devices = "[{\"name\": \"a\", \"type\": \"child<virtserialport>\"}]",
};

static const char *qom_property(struct json_object *arguments)
{
	static char address[256];
	const char *name = json_object_get_string(json_object_object_get(arguments, "property"));

	snprintf(address, sizeof(address), "{\"path\": \"%s\"}", peer.address.sun_path);
	return !strcmp(name, "name")	  ? "\"org.qemu.guest_agent.0\""
	       : !strcmp(name, "chardev") ? "\"agent\""
	       : !strcmp(name, "addr")	  ? address
					  : "false";
}

static const char *answer(const struct fake_qemu *q, const char *command,
			  struct json_object *arguments)
{
	if (!strcmp(command, "query-status"))
		return q->status;
	if (!strcmp(command, "human-monitor-command"))
		return q->networks;
	if (!strcmp(command, "qom-list"))
		return q->devices;
	if (!strcmp(command, "query-chardev"))
		return "[{\"label\": \"agent\", \"frontend-open\": true,"
		       "  \"filename\": \"disconnected:unix:x,server=on\"}]";
	return !strcmp(command, "qom-get") ? qom_property(arguments) : "{}";
}

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **value, struct fault *f)
{
	struct fake_qemu *q = (struct fake_qemu *)h;

	(void)pass_fd;
	if (q->refuses && !strcmp(q->refuses, command)) {
		json_object_put(arguments);
		return fault_set(f, -EREMOTEIO, "QEMU refused %s", command);
	}
	if (!strcmp(command, "announce-self"))
		q->rounds = json_object_get_int(json_object_object_get(arguments, "rounds"));
	if (value)
		*value = json_tokener_parse(answer(q, command, arguments));
	json_object_put(arguments);
	return 0;
}

static struct hypervisor *open_fake(struct fake_qemu *q)
{
	static const struct hypervisor_ops ops = {.name = "fake", .execute = fake_execute};

	q->base.ops = &ops;
	return &q->base;
}

static bool keep_network;

/* With an agent of this manner; returns what QEMU was told. */
static int done_with(struct fake_qemu q, enum agent_manner manner, bool keep_clock)
{
	const struct restore_options options = {.keep_clock = keep_clock,
						.keep_network = keep_network};

	agent_start(&peer, manner);
	afterwards_do(open_fake(&q), &options, &result);
	agent_stop(&peer);
	return q.rounds;
}

START_TEST(sets_the_clock_and_announces_the_network)
{
	ck_assert_int_eq(done_with(usual, AGENT_ANSWERS, false), 10);
	ck_assert_str_eq(clock_outcome_name(result.clock), "set");
	ck_assert_str_eq(result.clock_error, "");
	ck_assert_str_eq(network_outcome_name(result.network), "announced");
	ck_assert_str_eq(result.network_error, "");
	ck_assert_int_ne(peer.time_ns, 0);
}
END_TEST

START_TEST(leaves_the_clock_where_it_is_told_to)
{
	ck_assert_int_eq(done_with(usual, AGENT_ANSWERS, true), 10);
	ck_assert_str_eq(clock_outcome_name(result.clock), "kept");
	ck_assert_int_eq(peer.time_ns, 0);
}
END_TEST

START_TEST(tells_the_network_nothing_where_it_is_told_to)
{
	keep_network = true;
	ck_assert_int_eq(done_with(usual, AGENT_ANSWERS, false), 0);
	keep_network = false;
	ck_assert_str_eq(network_outcome_name(result.network), "kept");
	ck_assert_str_eq(clock_outcome_name(result.clock), "set");
}
END_TEST

START_TEST(does_nothing_to_a_guest_that_is_paused)
{
	struct fake_qemu q = usual;

	q.status = "{\"status\": \"paused\"}";
	ck_assert_int_eq(done_with(q, AGENT_ANSWERS, false), 0);
	ck_assert_str_eq(clock_outcome_name(result.clock), "paused");
	ck_assert_str_eq(network_outcome_name(result.network), "paused");
	ck_assert_int_eq(peer.time_ns, 0);
}
END_TEST

START_TEST(says_what_the_machine_does_not_have)
{
	struct fake_qemu q = usual;

	q.devices = "[]";
	q.networks = "\"\"";
	ck_assert_int_eq(done_with(q, AGENT_ANSWERS, false), 0);
	ck_assert_str_eq(clock_outcome_name(result.clock), "no agent");
	ck_assert_ptr_nonnull(strstr(result.clock_error, "no channel"));
	ck_assert_str_eq(network_outcome_name(result.network), "no network");
}
END_TEST

START_TEST(says_what_failed)
{
	struct fake_qemu q = usual;

	q.refuses = "announce-self";
	done_with(q, AGENT_REFUSES, false);
	ck_assert_str_eq(clock_outcome_name(result.clock), "failed");
	ck_assert_ptr_nonnull(strstr(result.clock_error, "refused guest-ping"));
	ck_assert_str_eq(network_outcome_name(result.network), "failed");
	ck_assert_str_eq(result.network_error, "QEMU refused announce-self");
	q.refuses = "query-status";
	done_with(q, AGENT_ANSWERS, false);
	ck_assert_str_eq(clock_outcome_name(result.clock), "failed");
	ck_assert_str_eq(network_outcome_name(result.network), "failed");
}
END_TEST

/* Its pages come only when afterwards_begin() has returned. */
START_TEST(does_not_wait_for_an_agent_that_waits_for_its_pages)
{
	const struct restore_options options = {0};
	struct afterwards_work work;
	struct fake_qemu q = usual;

	agent_start(&peer, AGENT_ANSWERS);
	peer.held = true;
	afterwards_begin(&work, open_fake(&q), &options, &result);
	ck_assert_int_eq(peer.time_ns, 0);
	peer.held = false;
	afterwards_end(&work);
	agent_stop(&peer);
	ck_assert_str_eq(clock_outcome_name(result.clock), "set");
}
END_TEST

START_TEST(asks_again_while_pages_are_missing)
{
	const struct restore_options options = {0};
	struct afterwards_work work;
	struct fake_qemu q = usual;

	agent_start(&peer, AGENT_SILENT_ONCE);
	afterwards_begin(&work, open_fake(&q), &options, &result);
	while (!peer.time_ns)
		usleep(1000);
	afterwards_end(&work);
	agent_stop(&peer);
	ck_assert_str_eq(clock_outcome_name(result.clock), "set");
}
END_TEST

START_TEST(gives_up_an_agent_that_is_silent_with_all_its_pages)
{
	done_with(usual, AGENT_SILENT, false);
	ck_assert_str_eq(clock_outcome_name(result.clock), "failed");
	ck_assert_ptr_nonnull(strstr(result.clock_error, "did not answer"));
}
END_TEST

UNIT_MAIN("restore/afterwards", sets_the_clock_and_announces_the_network,
	  leaves_the_clock_where_it_is_told_to, tells_the_network_nothing_where_it_is_told_to,
	  does_nothing_to_a_guest_that_is_paused, says_what_the_machine_does_not_have,
	  says_what_failed, does_not_wait_for_an_agent_that_waits_for_its_pages,
	  asks_again_while_pages_are_missing, gives_up_an_agent_that_is_silent_with_all_its_pages)
