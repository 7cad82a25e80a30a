/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/fault.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "unit.h"

START_TEST(puts_the_intent_in_front_of_the_cause)
{
	struct fault f = {0};

	ck_assert_int_eq(fault_errno(&f, -ENOSPC, "write segment %d", 17), -ENOSPC);
	ck_assert_int_eq(fault_wrap(&f, "commit checkpoint %d of %s", 42, "web1"), -ENOSPC);
	ck_assert_str_eq(f.text,
			 "commit checkpoint 42 of web1: write segment 17: No space left on device");
}
END_TEST

START_TEST(cuts_a_text_that_is_too_long)
{
	char name[2 * FAULT_TEXT_BYTES];
	struct fault f = {0};

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	fault_set(&f, -EIO, "%s", name);
	ck_assert_uint_eq(strlen(f.text), FAULT_TEXT_BYTES - 1);
	fault_wrap(&f, "%s", name);
	ck_assert_uint_eq(strlen(f.text), FAULT_TEXT_BYTES - 1);
}
END_TEST

UNIT_MAIN("fault", puts_the_intent_in_front_of_the_cause, cuts_a_text_that_is_too_long)
