/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/target.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static struct target target;
static struct fault fault;

static void must_read(const char *sent)
{
	target_free(&target);
	int r = target_read(sent, &target, &fault);
	ck_assert_msg(r == 0, "%s: %s", sent, fault.text);
}

START_TEST(takes_an_address_apart_before_it_decodes)
{
	must_read("/v1/guests/a%2Fb%20c%26d/checkpoints?name=x%3Dy&limit=10&all&from=a+b%2Bc&&");
	ck_assert_uint_eq(target.segment_count, 4);
	ck_assert_str_eq(target.segments[0], "v1");
	ck_assert_str_eq(target.segments[2], "a/b c&d");
	ck_assert_str_eq(target.segments[3], "checkpoints");
	ck_assert_str_eq(target.path, "/v1/guests/a%2Fb%20c%26d/checkpoints");
	ck_assert_uint_eq(target.query_count, 4);
	ck_assert_str_eq(target.queries[0].value, "x=y");
	ck_assert_str_eq(target.queries[1].name, "limit");
	ck_assert_str_eq(target.queries[2].name, "all");
	ck_assert_str_eq(target.queries[2].value, "");
	ck_assert_str_eq(target.queries[3].value, "a b+c");
	target_free(&target);
}
END_TEST

START_TEST(knows_the_other_forms_of_an_address)
{
	must_read("/");
	ck_assert_uint_eq(target.segment_count, 0);
	must_read("http://host:7840/v1/status?x=1");
	ck_assert_str_eq(target.path, "/v1/status");
	ck_assert_uint_eq(target.segment_count, 2);
	must_read("HTTPS://host");
	ck_assert_str_eq(target.path, "/");
	must_read("*");
	ck_assert_str_eq(target.path, "*");
	must_read("/v1/");
	ck_assert_uint_eq(target.segment_count, 2);
	ck_assert_str_eq(target.segments[1], "");
	target_free(&target);
}
END_TEST

START_TEST(says_what_is_wrong_with_an_address)
{
	static const struct {
		const char *sent, *words;
	} wrong[] = {
		{"", "begins with /"},
		{"v1/guests", "begins with /"},
		{"/v1/%", "two hexadecimal digits"},
		{"/v1/%2", "two hexadecimal digits"},
		{"/v1/%zz", "two hexadecimal digits"},
		{"/v1?a=%-1", "two hexadecimal digits"},
		{"/v1/a%00b", "%00"},
		{"/v1/a%0ab", "control character"},
		{"/v1/\xff", "UTF-8"},
		{"/v1/%c0%80", "UTF-8"},
		{"/v1/../etc", "part \"..\""},
		{"/v1/%2e%2e/etc", "part \"..\""},
		{"/v1?a=1&b=2&a=3", "a stands twice"},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "more than 16 parts"},
		{"/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", "more than 16 parameters"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_msg(target_read(wrong[i].sent, &target, &fault) == -EINVAL, "%s",
			      wrong[i].sent);
		ck_assert_msg(strstr(fault.text, wrong[i].words), "%s: %s", wrong[i].sent,
			      fault.text);
		target_free(&target);
	}
}
END_TEST

UNIT_MAIN("api/target", takes_an_address_apart_before_it_decodes,
	  knows_the_other_forms_of_an_address, says_what_is_wrong_with_an_address)
