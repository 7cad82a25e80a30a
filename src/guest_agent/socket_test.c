/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before agents that answer, refuse, are silent and worse. */
#include <errno.h>

#include "guest_agent/agent_peer.h"
#include "unit.h"
#include "vmguard/clock.h"
#include "vmguard/guest_agent.h"

enum { LIMIT_MS = 20000, SHORT_MS = 50 };

static struct fault fault;
static struct agent_peer peer;
static struct guest_agent *agent;

static void begin(enum agent_manner manner)
{
	agent_start(&peer, manner);
	ck_assert_int_eq(guest_agent_open(peer.address.sun_path, &agent, &fault), 0);
}

static void end(void)
{
	guest_agent_close(agent);
	agent_stop(&peer);
}

static int ping(int limit_ms)
{
	return agent->ops->execute(
		agent, &(struct guest_agent_command){"guest-ping", NULL, limit_ms}, &fault);
}

static void says(const char *text)
{
	ck_assert_msg(strstr(fault.text, text), "%s", fault.text);
}

static void sets_the_clock_of(enum agent_manner manner)
{
	begin(manner);
	int64_t before_ns = clock_us(CLOCK_REALTIME) * 1000;
	ck_assert_int_eq(guest_agent_set_time(agent, &fault), 0);
	ck_assert_int_ge(peer.time_ns, before_ns);
	ck_assert_int_le(peer.time_ns, clock_us(CLOCK_REALTIME) * 1000);
	end();
}

START_TEST(sets_the_clock_to_the_time_of_this_host)
{
	sets_the_clock_of(AGENT_ANSWERS);
}
END_TEST

START_TEST(skips_what_somebody_else_left_in_the_channel)
{
	sets_the_clock_of(AGENT_ANSWERS_BYTEWISE);
}
END_TEST

START_TEST(does_not_wait_longer_than_its_limit)
{
	begin(AGENT_SILENT);
	ck_assert_int_eq(ping(SHORT_MS), -ETIMEDOUT);
	says("did not answer guest-ping within 50 ms");
	end();
}
END_TEST

START_TEST(comes_into_step_again_after_a_silence)
{
	begin(AGENT_SILENT_ONCE);
	ck_assert_int_eq(ping(SHORT_MS), -ETIMEDOUT);
	ck_assert_int_eq(ping(LIMIT_MS), 0);
	end();
}
END_TEST

START_TEST(tells_a_refusal_without_the_guests_control_characters)
{
	begin(AGENT_REFUSES);
	ck_assert_int_eq(guest_agent_set_time(agent, &fault), -EREMOTEIO);
	ck_assert_str_eq(fault.text, "the guest agent refused guest-ping: not ?[2J now");
	end();
}
END_TEST

START_TEST(refuses_an_answer_that_is_no_json)
{
	begin(AGENT_GARBLES);
	ck_assert_int_eq(ping(LIMIT_MS), -EPROTO);
	says("sent no JSON");
	end();
}
END_TEST

START_TEST(refuses_an_answer_without_end)
{
	begin(AGENT_FLOODS);
	ck_assert_int_eq(ping(LIMIT_MS), -EPROTO);
	says("longer than 64 KiB");
	end();
}
END_TEST

START_TEST(tells_that_the_channel_was_closed)
{
	begin(AGENT_LEAVES);
	ck_assert_int_eq(ping(LIMIT_MS), -ECONNRESET);
	end();
}
END_TEST

START_TEST(says_which_path_nobody_listens_on)
{
	ck_assert_int_eq(guest_agent_open("/nowhere/agent", &agent, &fault), -ENOENT);
	ck_assert_ptr_null(agent);
	says("/nowhere/agent");
	guest_agent_close(agent);
}
END_TEST

UNIT_MAIN("guest_agent/socket", sets_the_clock_to_the_time_of_this_host,
	  skips_what_somebody_else_left_in_the_channel, does_not_wait_longer_than_its_limit,
	  comes_into_step_again_after_a_silence,
	  tells_a_refusal_without_the_guests_control_characters, refuses_an_answer_that_is_no_json,
	  refuses_an_answer_without_end, tells_that_the_channel_was_closed,
	  says_which_path_nobody_listens_on)
