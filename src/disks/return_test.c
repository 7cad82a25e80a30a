/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks in files go back, or are cloned, and nobody's file is touched where that must not be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/disks.h"

#define NAME "vmguard-1-7-0123abcd"
#define OTHER "vmguard-1-8-0123abcd"

static struct fault fault;
static char folder[64];
static struct disk disks[2];
static struct disk_list list = {disks, 2};
static const struct disks_return newer = {.newer = true};

static void shell(const char *format, const char *a, const char *b)
{
	char command[2048];

	snprintf(command, sizeof(command), format, a, b);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void fill(const struct disk *d, const char *pattern)
{
	shell("qemu-io -f qcow2 -c 'write -q -P %s 0 1M' '%s'", pattern, d->source);
}

static bool is_filled(const char *path, const char *pattern)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "qemu-io -r -f qcow2 -c 'read -q -P %s 0 1M' '%s' >/dev/null", pattern, path);
	return system(command) == 0;
}

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/vmguard-return-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (int i = 0; i < 2; i++) {
		struct disk *d = &disks[i];

		*d = (struct disk){.format = DISK_QCOW2, .way = DISK_INTERNAL, .snapshot = NAME};
		snprintf(d->target, sizeof(d->target), "vd%c", 'a' + i);
		snprintf(d->source, sizeof(d->source), "%s/vd%c.qcow2", folder, 'a' + i);
		shell("qemu-img create -q -f qcow2 '%s' 4M%s", d->source, "");
		fill(d, "0x11");
		shell("qemu-img snapshot -c %s '%s'", NAME, d->source);
		fill(d, "0x22");
		shell("qemu-img snapshot -c %s '%s'", OTHER, d->source);
		fill(d, "0x33");
	}
}

static void teardown(void)
{
	shell("rm -r '%s'%s", folder, "");
}

/* ---- rolling back ------------------------------------------------------------------------ */

START_TEST(rolls_back_all)
{
	setup();
	ck_assert_int_eq(disks_roll_back(&list, &newer, &fault), 0);
	ck_assert(is_filled(disks[0].source, "0x11"));
	ck_assert(is_filled(disks[1].source, "0x11"));
	/* and again, as after an interruption */
	ck_assert_int_eq(disks_roll_back(&list, &newer, &fault), 0);
	ck_assert(is_filled(disks[1].source, "0x11"));
	teardown();
}
END_TEST

START_TEST(loses_nothing_that_was_not_given_up)
{
	const struct disks_return careful = {0};

	setup();
	ck_assert_int_eq(disks_roll_back(&list, &careful, &fault), -EPERM);
	ck_assert_msg(strstr(fault.text, "vda, vdb"), "%s", fault.text);
	ck_assert(is_filled(disks[0].source, "0x33"));
	teardown();
}
END_TEST

START_TEST(changes_none_where_one_has_no_such_snapshot)
{
	setup();
	snprintf(disks[1].snapshot, sizeof(disks[1].snapshot), "vmguard-1-9-0123abcd");
	ck_assert_int_eq(disks_roll_back(&list, &newer, &fault), -ENOENT);
	ck_assert_msg(strstr(fault.text, "vdb"), "%s", fault.text);
	ck_assert(is_filled(disks[0].source, "0x33"));
	teardown();
}
END_TEST

/* As QEMU locks it: block/file-posix.c. */
START_TEST(changes_none_where_one_is_open)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1};

	setup();
	int file = open(disks[1].source, O_RDWR);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(fcntl(file, F_OFD_SETLK, &lock), 0);
	ck_assert_int_eq(disks_roll_back(&list, &newer, &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, disks[1].source), "%s", fault.text);
	close(file);
	ck_assert(is_filled(disks[0].source, "0x33"));
	ck_assert_int_eq(disks_roll_back(&list, &newer, &fault), 0);
	teardown();
}
END_TEST

/* ---- clones ------------------------------------------------------------------------------ */

START_TEST(clones_beside_the_originals)
{
	struct disk_list clones;
	char expected[DISK_SOURCE_BYTES];
	setup();

	ck_assert_int_eq(disks_clone(&list, "copy", &clones, &fault), 0);
	ck_assert_uint_eq(clones.count, 2);
	snprintf(expected, sizeof(expected), "%s/vdb-copy.qcow2", folder);
	ck_assert_str_eq(clones.disks[1].source, expected);
	ck_assert(is_filled(clones.disks[0].source, "0x11"));
	ck_assert(is_filled(disks[0].source, "0x33"));
	shell("! qemu-img snapshot -l '%s' | grep -q vmguard%s", expected, "");
	ck_assert_int_eq(disks_remove_clones(&clones, &fault), 0);
	ck_assert_int_eq(access(expected, F_OK), -1);
	ck_assert_int_eq(disks_remove_clones(&clones, &fault), 0);
	disk_list_clear(&clones);
	teardown();
}
END_TEST

START_TEST(names_clones_before_they_are_there)
{
	struct disk some[] = {
		{.target = "vda", .storage = DISK_RBD, .source = "vms/a.b", .snapshot = "s"},
		{.target = "vdb", .source = "/srv/a.b/root.old.qcow2", .node = "n"},
		{.target = "vdc", .source = "/srv/a.b/root"},
	};
	struct disk_list wanted = {some, 3}, names;

	ck_assert_int_eq(disks_name_clones(&wanted, "new", &names, &fault), 0);
	ck_assert_uint_eq(names.count, 3);
	ck_assert_str_eq(names.disks[0].source, "vms/a.b-new");
	ck_assert_str_eq(names.disks[1].source, "/srv/a.b/root.old-new.qcow2");
	ck_assert_str_eq(names.disks[2].source, "/srv/a.b/root-new");
	ck_assert_str_eq(names.disks[0].snapshot, "");
	ck_assert_str_eq(names.disks[1].node, "");
	disk_list_clear(&names);
	memset(some[2].source + 9, 'x', sizeof(some[2].source) - 10);
	ck_assert_int_eq(disks_name_clones(&wanted, "new", &names, &fault), -ENAMETOOLONG);
	ck_assert_uint_eq(names.count, 0);
}
END_TEST

START_TEST(leaves_what_has_the_name_of_a_clone)
{
	struct disk_list clones;
	char there[DISK_SOURCE_BYTES], first[DISK_SOURCE_BYTES];
	setup();

	snprintf(there, sizeof(there), "%s/vdb-copy.qcow2", folder);
	snprintf(first, sizeof(first), "%s/vda-copy.qcow2", folder);
	shell("echo mine >'%s'%s", there, "");
	ck_assert_int_eq(disks_clone(&list, "copy", &clones, &fault), -EEXIST);
	ck_assert_msg(strstr(fault.text, there), "%s", fault.text);
	shell("grep -q mine '%s'%s", there, "");
	ck_assert_int_eq(access(first, F_OK), -1);
	teardown();
}
END_TEST

UNIT_MAIN("return", rolls_back_all, loses_nothing_that_was_not_given_up,
	  changes_none_where_one_has_no_such_snapshot, changes_none_where_one_is_open,
	  clones_beside_the_originals, names_clones_before_they_are_there,
	  leaves_what_has_the_name_of_a_clone)
