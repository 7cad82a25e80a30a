/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "verb.h"

START_TEST(a_target_is_a_guest_and_maybe_a_checkpoint)
{
	struct target t;
	struct fault f;

	ck_assert_int_eq(parse_target("web1", &t, &f), 0);
	ck_assert_str_eq(t.guest, "web1");
	ck_assert_uint_eq(t.number, 0);
	ck_assert_int_eq(parse_target("web1@17", &t, &f), 0);
	ck_assert_uint_eq(t.number, 17);
	ck_assert_int_eq(parse_checkpoint("web1@17", &t, &f), 0);
}
END_TEST

START_TEST(what_is_no_target_is_refused)
{
	static const char *const wrong[] = {"",	      "@1",    "../web",
					    "web@",   "web@0", "web@-1",
					    "web@1x", "web@x", "web@99999999999999999999"};
	struct target t;
	struct fault f;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(parse_target(wrong[i], &t, &f) == -EINVAL, "%s", wrong[i]);
	ck_assert_int_eq(parse_checkpoint("web", &t, &f), -EINVAL);
	ck_assert_ptr_nonnull(strstr(f.text, "web@3"));
}
END_TEST

UNIT_MAIN("target", a_target_is_a_guest_and_maybe_a_checkpoint, what_is_no_target_is_refused)
