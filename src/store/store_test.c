/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/store.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "rbd_location.h"
#include "unit.h"

static struct fault fault;

START_TEST(names_the_stores_there_are)
{
	static const char *const uris[] = {"", "dir", "/var/lib", "nfs:x", "dirx:/tmp", "DIR:/tmp"};
	struct store *s;

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		ck_assert_int_eq(store_open(uris[i], &s, &fault), -EINVAL);
		ck_assert_ptr_null(s);
		ck_assert_ptr_nonnull(strstr(fault.text, "dir:PATH"));
		ck_assert_ptr_nonnull(strstr(fault.text, "rbd:POOL"));
	}
	store_close(s);
	store_image_close(NULL);
}
END_TEST

START_TEST(refuses_a_directory_that_cannot_be)
{
	struct store *s;

	ck_assert_int_eq(store_open("dir:", &s, &fault), -EINVAL);
	ck_assert_int_eq(store_open("dir:/proc/no/where", &s, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/proc/no/where"));
	ck_assert_int_eq(store_open("dir:/dev/null", &s, &fault), -ENOTDIR);
}
END_TEST

START_TEST(allows_names_that_are_safe_everywhere)
{
	static const char *const good[] = {"a", "0", "web-1.example_x", "Z..",
					   "0b5e3d9e-1c4d-4c9c-8a54-0d9c8a6e7f11"};
	static const char *const bad[] = {"",	 ".",	"..",	    "-a",  "_a",   "a/b", "a b",
					  "a@b", "a\n", "\xc3\xa4", "a:b", "a%sb", "../a"};
	char name[STORE_NAME_BYTES + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_int_eq(store_check_name(good[i], &fault), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(store_check_name(bad[i], &fault), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[64] = '\0';
	ck_assert_int_eq(store_check_name(name, &fault), 0);
	name[64] = 'n';
	name[65] = '\0';
	ck_assert_int_eq(store_check_name(name, &fault), -EINVAL);
}
END_TEST

START_TEST(names_checkpoints_both_ways)
{
	static const char *const foreign[] = {
		"",	      "ckpt",	     "ckpt-1",
		"ckpt-1-",    "ckpt-1-2x",   "ckpt-01-2",
		"ckpt-+1-2",  "ckpt--1-2",   "ckpt- 1-2",
		"snap-1-2",   "ckpt-1-2.xz", "Ckpt-1-2",
		"ckpt-1-2-3", "ckpt-0x1-2",  "ckpt-1-18446744073709551616"};
	struct checkpoint_id id, largest = {UINT64_MAX, UINT64_MAX};
	char name[CHECKPOINT_NAME_BYTES];

	checkpoint_name(largest, name);
	ck_assert_str_eq(name, "ckpt-18446744073709551615-18446744073709551615");
	ck_assert(checkpoint_parse(name, &id));
	ck_assert_int_eq(checkpoint_compare(&id, &largest), 0);
	ck_assert(checkpoint_parse("ckpt-3-42", &id));
	ck_assert_uint_eq(id.epoch, 3);
	ck_assert_uint_eq(id.number, 42);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		ck_assert_msg(!checkpoint_parse(foreign[i], &id), "%s", foreign[i]);
}
END_TEST

START_TEST(orders_checkpoints_by_number_then_epoch)
{
	const struct checkpoint_id a = {9, 1}, b = {1, 2}, c = {2, 2};

	ck_assert_int_lt(checkpoint_compare(&a, &b), 0);
	ck_assert_int_lt(checkpoint_compare(&b, &c), 0);
	ck_assert_int_gt(checkpoint_compare(&c, &a), 0);
	ck_assert_int_eq(checkpoint_compare(&c, &c), 0);
}
END_TEST

START_TEST(lets_only_a_later_checkpoint_follow)
{
	const struct checkpoint_id ids[] = {{1, 1}, {2, 5}};
	static const struct {
		struct checkpoint_id id;
		int result;
	} cases[] = {{{2, 6}, 0},	{{3, 9}, 0},	   {{2, 5}, -EEXIST}, {{1, 1}, -EEXIST},
		     {{1, 6}, -ESTALE}, {{2, 4}, -ESTALE}, {{9, 1}, -ESTALE}};

	ck_assert_int_eq(checkpoint_check_next((struct checkpoint_id){0, 0}, NULL, 0, &fault), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(checkpoint_check_next(cases[i].id, ids, 2, &fault),
				 cases[i].result);
}
END_TEST

START_TEST(takes_an_rbd_location_apart)
{
	struct rbd_location l;

	ck_assert_int_eq(rbd_location_parse(&l, "vm", &fault), 0);
	ck_assert_str_eq(l.pool, "vm");
	ck_assert_str_eq(l.prefix, "");
	ck_assert_str_eq(l.conf, "");
	ck_assert_str_eq(l.user, "admin");
	ck_assert_int_eq(l.timeout_seconds, 30);
	ck_assert_int_eq(
		rbd_location_parse(&l, "vm/guard.?timeout=5&id=vmguard&conf=/etc/ceph/a=b.conf",
				   &fault),
		0);
	ck_assert_str_eq(l.pool, "vm");
	ck_assert_str_eq(l.prefix, "guard.");
	ck_assert_str_eq(l.conf, "/etc/ceph/a=b.conf");
	ck_assert_str_eq(l.user, "vmguard");
	ck_assert_int_eq(l.timeout_seconds, 5);
	ck_assert_int_eq(rbd_location_parse(&l, "vm?conf=/etc/ceph/x.conf", &fault), 0);
	ck_assert_str_eq(l.pool, "vm");
	ck_assert_str_eq(l.conf, "/etc/ceph/x.conf");
}
END_TEST

START_TEST(refuses_an_rbd_location_that_cannot_be)
{
	static const char *const bad[] = {"",
					  "/x",
					  "?conf=x",
					  "vm/",
					  "vm/a/b",
					  "vm/a@b",
					  "vm?",
					  "vm?conf",
					  "vm?conf=",
					  "vm?user=x",
					  "vm?id=x&",
					  "vm?id=",
					  "vm?timeout=",
					  "vm?timeout=0",
					  "vm?timeout=-1",
					  "vm?timeout=5x",
					  "vm?timeout=3601"};
	struct rbd_location l;
	char text[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(rbd_location_parse(&l, bad[i], &fault) == -EINVAL, "%s", bad[i]);
	memset(text, 'p', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(rbd_location_parse(&l, text, &fault), -EINVAL);
}
END_TEST

START_TEST(says_which_ceph_configuration_is_missing)
{
	struct store *s;

	ck_assert_int_eq(store_open("rbd:vm?conf=/proc/no/ceph.conf", &s, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/proc/no/ceph.conf"));
}
END_TEST

UNIT_MAIN("store", takes_an_rbd_location_apart, refuses_an_rbd_location_that_cannot_be,
	  says_which_ceph_configuration_is_missing, names_the_stores_there_are,
	  refuses_a_directory_that_cannot_be, allows_names_that_are_safe_everywhere,
	  names_checkpoints_both_ways, orders_checkpoints_by_number_then_epoch,
	  lets_only_a_later_checkpoint_follow)
