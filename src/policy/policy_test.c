/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings, what goes together, and the JSON of it. */
#include "vmguard/policy.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "unit.h"
#include "vmguard/scope.h"

static struct fault fault;
static char text[POLICY_VALUE_BYTES];

static struct policy of_web(void)
{
	struct policy p;

	policy_init(&p);
	ck_assert_int_eq(policy_set(&p, "domain", "web", &fault), 0);
	return p;
}

static void set(struct policy *p, const char *name, const char *value)
{
	ck_assert_msg(policy_set(p, name, value, &fault) == 0, "%s", fault.text);
	ck_assert_str_eq(policy_text(p, name, text), value);
}

static void must_not_set(const char *name, const char *value)
{
	struct policy p = of_web();
	auto_free char *before = NULL, *after = NULL;
	size_t i = 0;

	ck_assert_int_eq(policy_encode(&p, &before, &fault), 0);
	ck_assert_msg(policy_set(&p, name, value, &fault) == -EINVAL, "%s=%s", name, value);
	ck_assert_int_eq(policy_encode(&p, &after, &fault), 0);
	ck_assert_str_eq(before, after);
	while (strcmp(policy_key(i)->name, name) != 0)
		i++;
	ck_assert_msg(strstr(fault.text, name) && strstr(fault.text, policy_key(i)->allowed), "%s",
		      fault.text);
}

START_TEST(every_setting_has_a_default_and_words)
{
	struct policy p;
	size_t i = 0;

	policy_init(&p);
	for (const struct policy_key *key; (key = policy_key(i)); i++) {
		ck_assert_str_eq(policy_text(&p, key->name, text), key->by_default);
		ck_assert(*key->allowed && *key->meaning);
		set(&p, key->name, key->by_default);
	}
	ck_assert_uint_eq(i, 21);
	ck_assert_int_eq(p.interval_ms, 10000);
	ck_assert_uint_eq(p.keep.keep_last, 10);
	ck_assert_uint_eq(p.on_failure, POLICY_RESUME);
}
END_TEST

START_TEST(a_setting_reads_as_it_is_written)
{
	static const char *const values[][2] = {
		{"domain", "web 1"},
		{"connect", "qemu:///system"},
		{"qmp", "/run/web.qmp"},
		{"interval", "500ms"},
		{"interval", "24h"},
		{"keep-last", "0"},
		{"keep-hourly", "1000000"},
		{"on-failure", "manual"},
		{"priority", "1000"},
		{"allowed-hosts", "a.example,b-2,c"},
		{"allowed-hosts", "any"},
		{"preferred-hosts", "b"},
		{"anti-affinity", "databases"},
		{"restarts", "16"},
		{"restart-window", "90s"},
		{"clock", "keep"},
		{"network", "keep"},
		{"key-file", "/etc/vmguard/key"},
		{"key-file", "none"},
		{"max-rate", "1536K"},
		{"max-rate", "none"},
		{"spool", "2G"},
		{"without-disks", "yes"},
		{"without-disks", "no"},
	};
	struct policy p = of_web();

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		set(&p, values[i][0], values[i][1]);
	ck_assert_uint_eq(p.spool_bytes, UINT64_C(2) << 30);
	ck_assert_int_eq(p.restart_window_ms, 90000);
	ck_assert_uint_eq(p.max_rate, 0);
	ck_assert_str_eq(p.key_file, "");
}
END_TEST

START_TEST(what_a_setting_cannot_be_changes_nothing)
{
	char long_path[POLICY_PATH_BYTES + 1];

	for (size_t i = 0; policy_key(i); i++)
		must_not_set(policy_key(i)->name, "");
	must_not_set("domain", "two\nlines");
	must_not_set("interval", "499ms");
	must_not_set("interval", "25h");
	must_not_set("interval", "10");
	must_not_set("interval", "none");
	must_not_set("keep-last", "-1");
	must_not_set("keep-last", "1000001");
	must_not_set("on-failure", "Resume");
	must_not_set("priority", "1001");
	must_not_set("allowed-hosts", "a,,b");
	must_not_set("allowed-hosts", "a,");
	must_not_set("allowed-hosts", "a, b");
	must_not_set("allowed-hosts", "a,b,a");
	must_not_set("preferred-hosts", "-a");
	must_not_set("anti-affinity", "../x");
	must_not_set("restarts", "17");
	must_not_set("restart-window", "999ms");
	must_not_set("key-file", "key");
	must_not_set("max-rate", "1023K");
	must_not_set("spool", "31M");
	must_not_set("without-disks", "true");
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	must_not_set("key-file", long_path);
	long_path[POLICY_SOCKET_BYTES] = '\0';
	must_not_set("qmp", long_path);
}
END_TEST

START_TEST(an_unknown_setting_is_told_with_those_there_are)
{
	struct policy p = of_web();

	ck_assert_int_eq(policy_set(&p, "intervall", "10s", &fault), -EINVAL);
	ck_assert_msg(strstr(fault.text, "\"intervall\""), "%s", fault.text);
	for (size_t i = 0; policy_key(i); i++)
		ck_assert_msg(strstr(fault.text, policy_key(i)->name), "%s", fault.text);
	ck_assert_ptr_null(policy_text(&p, "intervall", text));
}
END_TEST

/* `settings`: NAME, VALUE, …, NULL */
static void must_not_go_together(const char *words, const char *const *settings)
{
	struct policy p = of_web();

	ck_assert_int_eq(policy_check(&p, &fault), 0);
	for (; *settings; settings += 2)
		set(&p, settings[0], settings[1]);
	ck_assert_msg(policy_check(&p, &fault) == -EINVAL, "%s", words);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
}

#define MUST_NOT_GO_TOGETHER(words, ...) \
	must_not_go_together(words, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(settings_have_to_go_together)
{
	MUST_NOT_GO_TOGETHER("which guest", "domain", "none");
	MUST_NOT_GO_TOGETHER("domain \"web\" or qmp", "qmp", "/run/web.qmp");
	MUST_NOT_GO_TOGETHER("connect", "domain", "none", "qmp", "/run/web.qmp", "connect",
			     "qemu:///system");
	MUST_NOT_GO_TOGETHER("keep-last", "keep-last", "0");
	MUST_NOT_GO_TOGETHER("preferred-hosts has c,", "allowed-hosts", "a,b", "preferred-hosts",
			     "b,c");
	MUST_NOT_GO_TOGETHER("without-disks", "without-disks", "yes");
}
END_TEST

START_TEST(settings_that_go_together_are_fine)
{
	struct policy p = of_web();

	set(&p, "allowed-hosts", "a,b,c");
	set(&p, "preferred-hosts", "c,a");
	set(&p, "keep-last", "0");
	set(&p, "keep-weekly", "1");
	set(&p, "without-disks", "yes");
	set(&p, "on-failure", "reboot");
	ck_assert_msg(policy_check(&p, &fault) == 0, "%s", fault.text);
}
END_TEST

START_TEST(a_host_is_found_by_its_whole_name)
{
	ck_assert(policy_has_host("a,bc,d", "bc"));
	ck_assert(policy_has_host("a,bc,d", "d"));
	ck_assert(!policy_has_host("a,bc,d", "b"));
	ck_assert(!policy_has_host("a,bc,d", "bcd"));
	ck_assert(!policy_has_host("", "a"));
}
END_TEST

/* ---- JSON -------------------------------------------------------------------------------- */

START_TEST(a_text_reads_as_it_was_written)
{
	struct policy p = of_web(), read;
	auto_free char *first = NULL, *second = NULL;

	p.generation = UINT64_C(1) << 60;
	set(&p, "domain", "w\"e\\b ü");
	set(&p, "interval", "1500ms");
	set(&p, "allowed-hosts", "a,b");
	ck_assert_int_eq(policy_encode(&p, &first, &fault), 0);
	ck_assert_msg(policy_decode(first, &read, &fault) == 0, "%s", fault.text);
	ck_assert_uint_eq(read.generation, p.generation);
	ck_assert_str_eq(read.domain, p.domain);
	ck_assert_int_eq(read.interval_ms, 1500);
	ck_assert_int_eq(policy_encode(&read, &second, &fault), 0);
	ck_assert_str_eq(first, second);
}
END_TEST

START_TEST(the_longest_text_fits_into_a_store)
{
	struct policy p = of_web();
	auto_free char *longest = NULL;

	p.generation = UINT64_MAX;
	memset(p.domain, '"', sizeof(p.domain) - 1);
	memset(p.connect, '"', sizeof(p.connect) - 1);
	memset(p.qmp, '/', sizeof(p.qmp) - 1);
	memset(p.key_file, '"', sizeof(p.key_file) - 1);
	memset(p.allowed_hosts, 'a', sizeof(p.allowed_hosts) - 1);
	memset(p.preferred_hosts, 'a', sizeof(p.preferred_hosts) - 1);
	ck_assert_int_eq(policy_encode(&p, &longest, &fault), 0);
	ck_assert_uint_lt(strlen(longest), STORE_TEXT_BYTES_MAX / 8);
}
END_TEST

START_TEST(what_a_text_leaves_out_is_at_its_default)
{
	struct policy p;

	ck_assert_msg(policy_decode("{\"format\": 1, \"generation\": 3,"
				    " \"settings\": {\"domain\": \"web\", \"keep-last\": 3}}",
				    &p, &fault) == 0,
		      "%s", fault.text);
	ck_assert_uint_eq(p.generation, 3);
	ck_assert_uint_eq(p.keep.keep_last, 3);
	ck_assert_int_eq(p.interval_ms, 10000);
}
END_TEST

static void must_not_read(const char *json, int code, const char *words)
{
	struct policy p;

	ck_assert_msg(policy_decode(json, &p, &fault) == code, "%s", json);
	ck_assert_msg(strstr(fault.text, words), "%s: %s", json, fault.text);
}

#define WEB(more) "{\"format\": 1, \"generation\": 1, \"settings\": {\"domain\": \"web\"" more "}"

START_TEST(a_text_that_is_wrong_anywhere_is_not_taken)
{
	must_not_read("", -EINVAL, "no JSON object");
	must_not_read("[]", -EINVAL, "no JSON object");
	must_not_read(WEB("") "} x", -EINVAL, "no JSON object");
	must_not_read(WEB(", \"anti-affinity\": \"\xff\"") "}", -EINVAL, "no JSON object");
	must_not_read("{}", -EINVAL, "without a format");
	must_not_read("{\"format\": \"1\"}", -EINVAL, "without a format");
	must_not_read("{\"format\": 2, \"settings\": []}", -EPROTONOSUPPORT, "newer vmguard");
	must_not_read("{\"format\": 1}", -EINVAL, "without a generation");
	must_not_read("{\"format\": 1, \"generation\": -1}", -EINVAL, "without a generation");
	must_not_read("{\"format\": 1, \"generation\": 1}", -EINVAL, "JSON object");
	must_not_read("{\"format\": 1, \"generation\": 1, \"settings\": {}}", -EINVAL,
		      "which guest");
	must_not_read(WEB("") ", \"owner\": \"a\"}", -EINVAL, "\"owner\"");
	must_not_read(WEB(", \"speed\": \"1\"") "}", -EINVAL, "\"speed\"");
	must_not_read(WEB(", \"interval\": \"0s\"") "}", -EINVAL, "interval \"0s\" is not");
	must_not_read(WEB(", \"interval\": null") "}", -EINVAL, "interval is neither");
	must_not_read(WEB(", \"without-disks\": true") "}", -EINVAL, "without-disks is neither");
	must_not_read(WEB(", \"connect\": \"a\\u0000b\"") "}", -EINVAL, "zero byte");
}
END_TEST

START_TEST(settings_are_applied_together_or_not_at_all)
{
	struct json_object *some = json_tokener_parse("{\"interval\": \"5s\", \"restarts\": 1}");
	struct json_object *wrong = json_tokener_parse("{\"interval\": \"7s\", \"restarts\": 17}");
	struct policy p = of_web();

	ck_assert_msg(policy_apply(&p, some, &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(p.interval_ms, 5000);
	ck_assert_uint_eq(p.restarts, 1);
	ck_assert_str_eq(p.domain, "web");
	ck_assert_int_eq(policy_apply(&p, wrong, &fault), -EINVAL);
	ck_assert_int_eq(p.interval_ms, 5000);
	json_object_put(some);
	json_object_put(wrong);
}
END_TEST

UNIT_MAIN("policy", every_setting_has_a_default_and_words, a_setting_reads_as_it_is_written,
	  what_a_setting_cannot_be_changes_nothing, an_unknown_setting_is_told_with_those_there_are,
	  settings_have_to_go_together, settings_that_go_together_are_fine,
	  a_host_is_found_by_its_whole_name, a_text_reads_as_it_was_written,
	  the_longest_text_fits_into_a_store, what_a_text_leaves_out_is_at_its_default,
	  a_text_that_is_wrong_anywhere_is_not_taken, settings_are_applied_together_or_not_at_all)
