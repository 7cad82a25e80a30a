/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/values.h"

#include "unit.h"

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

START_TEST(what_is_formatted_parses_to_the_same)
{
	static const char *const durations[] = {"1ms", "500ms", "10s", "90s", "5m", "36h"};
	static const char *const sizes[] = {"0", "1", "4097", "1K", "1536M", "3G", "2T"};
	char text[VALUE_BYTES];
	uint64_t bytes;
	int64_t ms;

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		ck_assert(parse_duration(durations[i], &ms));
		ck_assert_str_eq(value_of_duration(ms, text), durations[i]);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert(parse_size(sizes[i], &bytes));
		ck_assert_str_eq(value_of_size(bytes, text), sizes[i]);
	}
}
END_TEST

UNIT_MAIN("values", sizes_have_letters, what_is_no_size_is_refused, durations_have_units,
	  what_is_no_duration_is_refused, counts_are_plain_numbers,
	  what_is_formatted_parses_to_the_same)
