/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"
#include "vmguard/disks.h"

START_TEST(reads_what_it_writes)
{
	static const struct disk_snapshot_name names[] = {
		{{1, 1}, 0}, {{3, 42}, 0xdeadbeef}, {{UINT64_MAX, UINT64_MAX}, UINT32_MAX}};
	char text[DISK_SNAPSHOT_BYTES];
	struct disk_snapshot_name again;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		disk_snapshot_format(&names[i], text);
		ck_assert(disk_snapshot_parse(text, &again));
		ck_assert_uint_eq(again.id.epoch, names[i].id.epoch);
		ck_assert_uint_eq(again.id.number, names[i].id.number);
		ck_assert_uint_eq(again.tag, names[i].tag);
	}
	disk_snapshot_format(&names[1], text);
	ck_assert_str_eq(text, "vmguard-3-42-deadbeef");
}
END_TEST

START_TEST(takes_no_name_that_it_would_not_give)
{
	static const char *const foreign[] = {
		"",
		"vmguard",
		"vmguard-1",
		"vmguard-1-2",
		"vmguard-1-2-",
		"vmguard-1-2-abc",
		"vmguard-1-2-DEADBEEF",
		"vmguard-1-2-deadbeef ",
		"vmguard-1-2-deadbeef1",
		"vmguard-01-2-deadbeef",
		"vmguard-+1-2-deadbeef",
		"vmguard- 1-2-deadbeef",
		"vmguard--1-2-deadbeef",
		"vmguard-1-2-0xdeadbe",
		"my-vmguard-1-2-deadbeef",
		"vmguard-1-2-deadbeef/x",
		"vmguard-18446744073709551616-2-deadbeef",
		"before-upgrade",
	};
	struct disk_snapshot_name n;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		ck_assert_msg(!disk_snapshot_parse(foreign[i], &n), "%s", foreign[i]);
}
END_TEST

UNIT_MAIN("names", reads_what_it_writes, takes_no_name_that_it_would_not_give)
