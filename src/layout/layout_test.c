/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/layout.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static struct ram_layout layout;
static struct fault fault;

static void start(void)
{
	layout = (struct ram_layout){.page_bytes = 4096};
}

START_TEST(numbers_pages_through_all_blocks)
{
	start();
	ck_assert_int_eq(layout_add_block(&layout, "pc.ram", 8 * 4096, &fault), 0);
	ck_assert_int_eq(layout_add_block(&layout, "pc.bios", 4097, &fault), 0);
	ck_assert_uint_eq(layout.pages, 10);
	ck_assert_uint_eq(layout_find(&layout, "pc.bios")->first_page, 8);
	ck_assert_str_eq(layout_block_of(&layout, 7)->name, "pc.ram");
	ck_assert_str_eq(layout_block_of(&layout, 8)->name, "pc.bios");
	ck_assert_str_eq(layout_block_of(&layout, 9)->name, "pc.bios");
	ck_assert_uint_eq(layout_bytes(&layout), 8 * 4096 + 4097);
	layout_clear(&layout);
}
END_TEST

START_TEST(refuses_a_block_that_cannot_be)
{
	char long_name[LAYOUT_NAME_BYTES + 1];

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	start();
	ck_assert_int_eq(layout_add_block(&layout, "a", 4096, &fault), 0);
	ck_assert_int_eq(layout_add_block(&layout, "a", 4096, &fault), -EEXIST);
	ck_assert_int_eq(layout_add_block(&layout, "b", 0, &fault), -EINVAL);
	ck_assert_int_eq(layout_add_block(&layout, "", 4096, &fault), -EINVAL);
	ck_assert_int_eq(layout_add_block(&layout, long_name, 4096, &fault), -EINVAL);
	ck_assert_int_eq(layout_add_block(&layout, "c", UINT64_MAX, &fault), -E2BIG);
	ck_assert_uint_eq(layout.block_count, 1);
	layout_clear(&layout);
}
END_TEST

START_TEST(copies_deeply)
{
	struct ram_layout copy;

	start();
	ck_assert_int_eq(layout_add_block(&layout, "a", 4096, &fault), 0);
	ck_assert_int_eq(layout_copy(&copy, &layout, &fault), 0);
	layout_clear(&layout);
	ck_assert_str_eq(layout_find(&copy, "a")->name, "a");
	layout_clear(&copy);
}
END_TEST

UNIT_MAIN("layout", numbers_pages_through_all_blocks, refuses_a_block_that_cannot_be, copies_deeply)
