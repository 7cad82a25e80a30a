/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "verb.h"

START_TEST(sizes_have_letters)
{
	uint64_t bytes;

	ck_assert(parse_size("4096", &bytes) && bytes == 4096);
	ck_assert(parse_size("512M", &bytes) && bytes == UINT64_C(512) << 20);
	ck_assert(parse_size("2G", &bytes) && bytes == UINT64_C(2) << 30);
	ck_assert(parse_size("1T", &bytes) && bytes == UINT64_C(1) << 40);
}
END_TEST

START_TEST(what_is_no_size_is_refused)
{
	static const char *const wrong[] = {
		"",    "M",    "-1M",  " 1M",	    "1m",
		"1MB", "1.5G", "many", "20000000T", "99999999999999999999"};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!parse_size(wrong[i], &bytes), "%s", wrong[i]);
}
END_TEST

START_TEST(durations_have_units)
{
	int64_t ms;

	ck_assert(parse_duration("500ms", &ms) && ms == 500);
	ck_assert(parse_duration("10s", &ms) && ms == 10000);
	ck_assert(parse_duration("5m", &ms) && ms == 300000);
	ck_assert(parse_duration("1h", &ms) && ms == 3600000);
	ck_assert(parse_duration("240h", &ms) && ms == 864000000);
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
	static const char *const wrong[] = {"",
					    "s",
					    "10",
					    "0s",
					    "-1s",
					    "1.5s",
					    "10 s",
					    "10sec",
					    "1d",
					    " 1s",
					    "1ss",
					    "300h",
					    "18446744073709551615h"};
	int64_t ms;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!parse_duration(wrong[i], &ms), "%s", wrong[i]);
}
END_TEST

START_TEST(counts_are_plain_numbers)
{
	uint64_t count;

	ck_assert(parse_count("0", &count) && count == 0);
	ck_assert(parse_count("1000000", &count) && count == 1000000);
	ck_assert(!parse_count("", &count));
	ck_assert(!parse_count("-1", &count));
	ck_assert(!parse_count("5x", &count));
	ck_assert(!parse_count("1000001", &count));
}
END_TEST

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

UNIT_MAIN("values", sizes_have_letters, what_is_no_size_is_refused, durations_have_units,
	  what_is_no_duration_is_refused, counts_are_plain_numbers,
	  a_target_is_a_guest_and_maybe_a_checkpoint, what_is_no_target_is_refused)
