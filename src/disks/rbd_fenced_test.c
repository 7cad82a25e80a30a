/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is on the blocklist is found by the whole of the address. */
#include "disks/rbd_fenced.h"

#include <string.h>

#include "unit.h"

static bool find(const char *answer, const char *address)
{
	return rbd_fenced_find(answer, strlen(answer), address);
}

START_TEST(finds_an_address_of_the_list)
{
	const char *answer = "[{\"addr\":\"127.0.0.1:0/910911205\",\"until\":\"2026-11-23T10:05\"},"
			     "{\"addr\":\"10.0.0.1:0/7\",\"until\":\"2026-11-23T10:06\"}]";

	ck_assert(find(answer, "10.0.0.1:0/7"));
	ck_assert(!find(answer, "10.0.0.1:0/77"));
	ck_assert(!find(answer, "127.0.0.1:0/91091120"));
	ck_assert(!rbd_fenced_find(answer, 10, "127.0.0.1:0/910911205"));
}
END_TEST

START_TEST(finds_nobody_in_what_is_no_list)
{
	const char *const answers[] = {"", "[]", "{}", "null", "[1, {}, {\"addr\": null}]", "[{"};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		ck_assert(!find(answers[i], ""));
}
END_TEST

UNIT_MAIN("rbd_fenced", finds_an_address_of_the_list, finds_nobody_in_what_is_no_list)
