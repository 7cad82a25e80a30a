/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of all disks or of none, with a QEMU that does as it is told, or does not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disks/transaction.h"
#include "unit.h"
#include "vmguard/hypervisor.h"

static struct fault fault;
static char told[1024];
static int answer;

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	size_t end = strlen(told);

	(void)h;
	(void)pass_fd;
	(void)result;
	snprintf(told + end, sizeof(told) - end, "%s %s", command,
		 json_object_to_json_string_ext(arguments, JSON_C_TO_STRING_PLAIN));
	json_object_put(arguments);
	return answer ? fault_set(f, answer, "QEMU says no") : 0;
}

static const struct hypervisor_ops ops = {.name = "fake", .execute = fake_execute};
static struct hypervisor qemu = {.ops = &ops};

#define NAME "vmguard-1-7-0123abcd"

static int take(struct disk *disks, size_t count, int code)
{
	struct disk_list list = {disks, count};

	told[0] = '\0';
	answer = code;
	return disks_take(&qemu, &list, NULL, NAME, &fault);
}

START_TEST(takes_all_inside_in_one_transaction)
{
	struct disk disks[] = {
		{.target = "vda", .node = "n-a", .format = DISK_QCOW2},
		{.target = "vdb", .node = "n-b", .storage = DISK_RBD},
	};

	ck_assert_int_eq(take(disks, 2, 0), 0);
	ck_assert_str_eq(told, "transaction {\"actions\":["
			       "{\"type\":\"blockdev-snapshot-internal-sync\",\"data\":{\"device\":"
			       "\"n-a\",\"name\":\"" NAME "\"}},"
			       "{\"type\":\"blockdev-snapshot-internal-sync\",\"data\":{\"device\":"
			       "\"n-b\",\"name\":\"" NAME "\"}}]}");
	ck_assert_str_eq(disks[0].snapshot, NAME);
	ck_assert_str_eq(disks[1].snapshot, NAME);
}
END_TEST

START_TEST(leaves_rbd_images_out_that_are_ready)
{
	struct disk disks[] = {
		{.node = "n-a", .format = DISK_QCOW2},
		{.node = "n-b", .storage = DISK_RBD},
		{.node = "n-c", .way = DISK_REFLINK},
	};
	struct disk_list list = {disks, 3};
	struct json_object *actions = transaction_of(&list, true);

	ck_assert_uint_eq(json_object_array_length(actions), 1);
	json_object_put(actions);
}
END_TEST

START_TEST(hands_on_what_qemu_refuses)
{
	struct disk disks[] = {{.target = "vda", .node = "n-a", .format = DISK_QCOW2}};

	ck_assert_int_eq(take(disks, 1, -EREMOTEIO), -EREMOTEIO);
	ck_assert_str_eq(fault.text, "snapshots of the guest's disks: QEMU says no");
}
END_TEST

START_TEST(asks_qemu_nothing_where_no_copy_can_be_made)
{
	struct disk disks[] = {
		{.target = "vda", .node = "n-a", .format = DISK_QCOW2},
		{.target = "vdb", .way = DISK_REFLINK, .source = "/nowhere/disk.raw"},
	};

	ck_assert_int_eq(take(disks, 2, 0), -ENOENT);
	ck_assert_msg(strstr(fault.text, "disk vdb"), "%s", fault.text);
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(removes_no_snapshot_of_somebody_else)
{
	static const char *const names[] = {"", "before-upgrade", "vmguard-1-2", "vmguard-1-2-XY"};
	struct disk d = {.target = "vda", .node = "n-a", .format = DISK_QCOW2};

	told[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(d.snapshot, sizeof(d.snapshot), "%s", names[i]);
		ck_assert_int_eq(disk_snapshot_remove(&d, &qemu, &fault), -EPERM);
	}
	ck_assert_str_eq(told, "");
}
END_TEST

UNIT_MAIN("take", takes_all_inside_in_one_transaction, leaves_rbd_images_out_that_are_ready,
	  hands_on_what_qemu_refuses, asks_qemu_nothing_where_no_copy_can_be_made,
	  removes_no_snapshot_of_somebody_else)
