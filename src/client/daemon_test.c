/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client against the server of src/api: what is asked, and what is followed. */
#include "client/daemon_scene.h"

START_TEST(an_answer_comes_back)
{
	auto_free char *name = client_encode("a/b %\xc3\xa4~"), *text = NULL;
	char path[128];

	begin((struct client_options){0});
	must_hear_from(us());
	ck_assert_str_eq(name, "a%2Fb%20%25%C3%A4~");
	snprintf(path, sizeof(path), "/v1/guests/%s", name);
	struct json_object *o = must_ask("GET", path, NULL);
	ck_assert_str_eq(json_text_member(o, "name"), "a/b %\xc3\xa4~");
	json_object_put(o);
	must_fail("GET", "/v1/guests/../x", -EINVAL, "\"..\"");		 /* as it was given */
	ck_assert_ptr_null(must_ask("DELETE", "/v1/guests/web1", NULL)); /* 204 */
	ck_assert_int_eq(client_ask(client, "GET", "/v1/guests/web1", NULL, NULL, &fault), 0);
	ck_assert_int_eq(client_text(client, "/metrics", &text, &fault), 0);
	ck_assert_str_eq(text, "vmguard_store_up 1\n");
	end();
}
END_TEST

START_TEST(a_body_is_sent_once)
{
	begin((struct client_options){0});
	for (uint64_t i = 0; i < 3; i++) {
		auto_of(json_object_put) struct json_object *body = json_object_new_object();

		json_add_number(body, "number", i);
		struct json_object *o = must_ask("POST", "/v1/echo", body);
		ck_assert(json_object_equal(o, body));
		json_object_put(o);
	}
	ck_assert_uint_eq(handled, 3);
	end();
}
END_TEST

START_TEST(a_refusal_has_the_daemons_code_and_sentence)
{
	auto_of(json_object_put) struct json_object *body = json_object_new_object();
	struct json_object *o;

	begin((struct client_options){0});
	ck_assert_int_eq(client_ask(client, "PATCH", "/v1/guests/web1", body, &o, &fault), -ESTALE);
	ck_assert_str_eq(fault.text, "the policy of web1 was changed meanwhile: read it again");
	ck_assert_ptr_null(o);
	must_fail("GET", "/v1/nothing", -ENOENT, "/v1/nothing");
	end();
}
END_TEST

START_TEST(a_daemon_that_was_started_anew_is_found)
{
	struct api_options served = options_of(LONG_MS);

	begin((struct client_options){0});
	must_hear_from(us());
	peer_close(&peer);
	must_fail("GET", "/v1/guests/web1", -ENOENT, "is vmguardd running? systemctl status");
	peer_open(&peer, &served, NULL);
	must_hear_from(us());
	peer_close(&peer);
	peer_open(&peer, &served, NULL);
	must_hear_from(us());
	end();
}
END_TEST

START_TEST(a_daemon_that_is_late_is_given_up)
{
	begin((struct client_options){.ask_ms = 300});
	must_fail("GET", "/v1/slow", -ETIMEDOUT, "did not answer GET /v1/slow within 0.3 s");
	end();
}
END_TEST

START_TEST(it_can_be_stopped)
{
	begin((struct client_options){0});
	must_fail("GET", "/v1/stop", -ECANCELED, "stopped");
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	must_hear_from(us());
	end();
}
END_TEST

/* ---- streams --------------------------------------------------------------------------------- */

START_TEST(a_follower_goes_on_after_an_id)
{
	begin((struct client_options){0});
	ck_assert_int_eq(follow_until("/v1/events?ends", "41", 9), 0);
	ck_assert_str_eq(seen, "42 checkpoint-taken;43 checkpoint-taken;44 checkpoint-taken;");
	ck_assert_int_eq(follow_until("/v1/events?ends", NULL, 9), 0);
	ck_assert_str_eq(seen, "1 checkpoint-taken;2 checkpoint-taken;3 checkpoint-taken;");
	ck_assert_int_eq(follow_until("/v1/events", NULL, 2), -EXFULL);
	ck_assert_str_eq(seen, "1 checkpoint-taken;2 checkpoint-taken;");
	ck_assert_str_eq(fault.text, ""); /* it is the follower's to say why */
	must_hear_from(us());
	end();
}
END_TEST

START_TEST(a_stream_that_is_refused_is_a_fault)
{
	begin((struct client_options){0});
	ck_assert_int_eq(follow_until("/v1/nothing", NULL, 9), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/v1/nothing"));
	ck_assert_int_lt(follow_until("/v1/guests/web1", NULL, 9), 0);
	ck_assert_str_eq(seen, "");
	end();
}
END_TEST

START_TEST(a_silent_stream_is_given_up)
{
	begin((struct client_options){.silence_ms = 300});
	ck_assert_int_eq(follow_until("/v1/events", NULL, 9), -ETIMEDOUT);
	ck_assert_str_eq(seen, "1 checkpoint-taken;2 checkpoint-taken;3 checkpoint-taken;");
	ck_assert_ptr_nonnull(strstr(fault.text, "was silent on /v1/events for 0.3 s"));
	end();
}
END_TEST

static int64_t speaks_ms; /* when an event comes, on monotonic_ms(); 0: none does */

static void speak(void)
{
	if (!stream || !speaks_ms || monotonic_ms() < speaks_ms)
		return;
	api_stream_send(stream, "4", NULL, "at last");
	speaks_ms = 0;
}

START_TEST(a_comment_is_a_sign_of_life)
{
	struct api_options served = options_of(500);

	reset();
	speaks_ms = monotonic_ms() + 4500;
	peer_open(&peer, &served, speak);
	open_client((struct client_options){.silence_ms = 3000});
	ck_assert_msg(follow_until("/v1/events", NULL, 4) == -EXFULL, "%s", fault.text);
	ck_assert_ptr_nonnull(strstr(seen, ";4 message;"));
	end();
}
END_TEST

START_TEST(a_stream_that_breaks_off_is_told)
{
	begin_saying("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n"
		     "17\r\nid: 7\ndata: a\n\ndata: b\n\r\n");
	ck_assert_int_eq(follow_until("/v1/events", NULL, 9), -ECONNRESET);
	ck_assert_str_eq(seen, "7 message;");
	ck_assert_ptr_nonnull(strstr(fault.text, "closed the connection during GET /v1/events"));
	end();
	begin_saying("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		     "Content-Length: 2\r\n\r\n{}");
	ck_assert_int_eq(follow_until("/v1/events", NULL, 9), -EPROTO);
	ck_assert_ptr_nonnull(strstr(fault.text, "no stream at /v1/events"));
	end();
}
END_TEST

UNIT_MAIN("client/daemon", an_answer_comes_back, a_body_is_sent_once,
	  a_refusal_has_the_daemons_code_and_sentence, a_daemon_that_was_started_anew_is_found,
	  a_daemon_that_is_late_is_given_up, it_can_be_stopped, a_follower_goes_on_after_an_id,
	  a_stream_that_is_refused_is_a_fault, a_silent_stream_is_given_up,
	  a_comment_is_a_sign_of_life, a_stream_that_breaks_off_is_told)
