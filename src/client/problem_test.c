/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/problem.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static struct fault fault;

static void must_read(unsigned status, const char *body, int code, const char *text)
{
	ck_assert_int_eq(problem_read("vmguardd", status, body, strlen(body), &fault), code);
	ck_assert_int_eq(fault.code, code);
	ck_assert_str_eq(fault.text, text);
}

START_TEST(a_problem_has_the_code_and_sentence_of_the_fault)
{
	must_read(404,
		  "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
		  "\"detail\":\"there is no guest web9; see vmguard guests\",\"code\":\"ENOENT\"}",
		  -ENOENT, "there is no guest web9; see vmguard guests");
	must_read(409, "{\"detail\":\"late\",\"code\":\"ESTALE\"}", -ESTALE, "late");
	must_read(501, "{\"detail\":\"no\",\"code\":\"EOPNOTSUPP\"}", -EOPNOTSUPP, "no");
}
END_TEST

START_TEST(a_status_is_enough_for_a_code)
{
	static const struct {
		unsigned status;
		int code;
	} cases[] = {
		{301, -EINVAL}, {400, -EINVAL},	   {401, -EACCES}, {403, -EACCES}, {404, -ENOENT},
		{406, -EINVAL}, {409, -EBUSY},	   {413, -EINVAL}, {418, -EINVAL}, {500, -EIO},
		{503, -EBUSY},	{504, -ETIMEDOUT}, {507, -ENOSPC},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		must_read(cases[i].status, "{\"detail\":\"so\"}", cases[i].code, "so");
		must_read(cases[i].status, "{\"detail\":\"so\",\"code\":\"ENOSUCHNAME\"}",
			  cases[i].code, "so");
		must_read(cases[i].status, "{\"detail\":\"so\",\"code\":2}", cases[i].code, "so");
	}
}
END_TEST

START_TEST(what_is_no_problem_is_not_shown)
{
	static const char *const bodies[] = {"",
					     "<html>oops",
					     "[]",
					     "{}",
					     "{\"detail\":7}",
					     "{\"detail\":\"so\"",
					     "{\"detail\":\"so\"} more"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		must_read(502, bodies[i], -EIO,
			  "vmguardd answered with the status 502 and no reason");
}
END_TEST

START_TEST(a_sentence_cannot_play_with_the_terminal)
{
	must_read(400, "{\"detail\":\"a\\u001b[31m\\nb\",\"code\":\"EINVAL\"}", -EINVAL,
		  "a?[31m?b");
}
END_TEST

START_TEST(a_long_sentence_is_cut)
{
	char body[2 * FAULT_TEXT_BYTES];

	memset(body, 'x', sizeof(body));
	memcpy(body, "{\"detail\":\"", 11);
	strcpy(body + sizeof(body) - 3, "\"}");
	ck_assert_int_eq(problem_read("vmguardd", 400, body, strlen(body), &fault), -EINVAL);
	ck_assert_uint_eq(strlen(fault.text), FAULT_TEXT_BYTES - 1);
}
END_TEST

UNIT_MAIN("client/problem", a_problem_has_the_code_and_sentence_of_the_fault,
	  a_status_is_enough_for_a_code, what_is_no_problem_is_not_shown,
	  a_sentence_cannot_play_with_the_terminal, a_long_sentence_is_cut)
