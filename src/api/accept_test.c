/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/accept.h"

#include "unit.h"

static const char *const types[] = {"application/json", "text/event-stream"};

START_TEST(chooses_what_the_client_likes_best)
{
	static const struct {
		const char *accept;
		int chosen;
	} wishes[] = {
		{NULL, 0},
		{"", 0},
		{"  ", 0},
		{"*/*", 0},
		{"text/event-stream", 1},
		{"TEXT/Event-Stream; charset=utf-8", 1},
		{"text/*, application/json;q=0.5", 1},
		{"text/*;q=0.5, application/json", 0},
		{"text/html, application/xhtml+xml, */*;q=0.8", 0},
		{"application/json;q=0, */*;q=0.1", 1},
		{"application/*;q=0.2,text/event-stream;q=0.19", 0},
		{"application/json;v=\"a,b;q=0\";q=0.9, text/event-stream", 1},
		{"text/html", -1},
		{"*/*;q=0", -1},
		{"application/json;q=0.000", -1},
		{"application", -1},
		{"application/jsonx", -1},
		{",,,", -1},
		{"application/json;q=nonsense", 0},
		{"application/json;x=\"", 0},
	};

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		ck_assert_msg(accept_choose(wishes[i].accept, types, 2) == wishes[i].chosen, "%s",
			      wishes[i].accept ? wishes[i].accept : "none");
}
END_TEST

START_TEST(knows_a_type_with_parameters)
{
	ck_assert(accept_is_type("application/json", types[0]));
	ck_assert(accept_is_type(" Application/JSON ; charset=utf-8", types[0]));
	ck_assert(!accept_is_type("application/json-patch+json", types[0]));
	ck_assert(!accept_is_type("*/*", types[0]));
	ck_assert(!accept_is_type("", types[0]));
	ck_assert(!accept_is_type(NULL, types[0]));
}
END_TEST

UNIT_MAIN("api/accept", chooses_what_the_client_likes_best, knows_a_type_with_parameters)
