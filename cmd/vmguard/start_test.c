/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a run directory of our own; this test plays the QEMU that is restored. */
#include "start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"
#include "vmguard/record.h"

#define UUID "6c0ed4e5-0c0a-4f0e-9d1a-2f9f0c1b7a11"
#define OTHER "6c0ed4e5-0c0a-4f0e-9d1a-2f9f0c1b7a12"

static const struct start web = {.guest = "web", .uuid = UUID};
static struct fault fault;
static char folder[64];
static struct holder us;

static void begin(void)
{
	strcpy(folder, "/tmp/vg-start-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("VMGUARD_RUN_DIR", folder, 1);
	ck_assert_int_eq(holder_of(getpid(), &us, &fault), 0);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void note(const struct holder *qemu, const char *guest, const char *uuid)
{
	struct record r = {.store = "rbd:vms",
			   .number = 3,
			   .percent = 37,
			   .socket = "/run/web.qmp",
			   .qemu_version = "7.2.22"};

	strcpy(r.guest, guest);
	strcpy(r.uuid, uuid);
	ck_assert_int_eq(record_write(qemu, &r, &fault), 0);
}

static void write_file(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(a_guest_of_which_nothing_is_known_may)
{
	begin();
	ck_assert_int_eq(start_may(&web, &fault), 0);
	note(&us, "db", OTHER);
	ck_assert_int_eq(start_may(&web, &fault), 0);
	end();
}
END_TEST

START_TEST(a_guest_that_is_being_restored_may_not)
{
	begin();
	note(&us, "web-in-the-store", UUID);
	ck_assert_int_eq(start_may(&web, &fault), -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "web-in-the-store@3 of rbd:vms"));
	ck_assert_ptr_nonnull(strstr(fault.text, "37 %"));
	record_remove(&us);
	ck_assert_int_eq(start_may(&web, &fault), 0);
	end();
}
END_TEST

START_TEST(a_name_counts_only_where_there_is_no_uuid)
{
	begin();
	note(&us, "web", OTHER);
	ck_assert_int_eq(start_may(&web, &fault), 0);
	note(&us, "web", "");
	ck_assert_int_eq(start_may(&web, &fault), -EPERM);
	note(&us, "web2", "");
	ck_assert_int_eq(start_may(&web, &fault), 0);
	end();
}
END_TEST

START_TEST(a_restore_whose_qemu_died_is_none)
{
	struct holder dead;

	begin();
	pid_t child = fork();
	if (!child)
		pause();
	ck_assert_int_eq(holder_of(child, &dead, &fault), 0);
	note(&dead, "web", UUID);
	ck_assert_int_eq(start_may(&web, &fault), -EPERM);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_int_eq(start_may(&web, &fault), 0);
	dead = us;
	dead.started++; /* the number came again */
	note(&dead, "web", UUID);
	ck_assert_int_eq(start_may(&web, &fault), 0);
	end();
}
END_TEST

START_TEST(other_files_are_no_restores)
{
	begin();
	write_file("restore-x-1", "");
	write_file("restore-1", "");
	write_file("web-12.qmp", "");
	ck_assert_int_eq(start_may(&web, &fault), 0);
	end();
}
END_TEST

START_TEST(a_note_of_an_older_vmguard_has_no_uuid)
{
	char name[64];

	begin();
	snprintf(name, sizeof(name), "restore-%d-%llu", (int)us.pid,
		 (unsigned long long)us.started);
	write_file(name, "rbd:vms\nweb\n3\n37\n/run/web.qmp\n7.2.22\n0\n1\n4096\n");
	ck_assert_int_eq(start_may(&web, &fault), -EPERM);
	write_file(name, "rbd:vms\n");
	ck_assert_int_eq(start_may(&web, &fault), -EBADMSG);
	end();
}
END_TEST

START_TEST(a_run_directory_that_others_can_write_says_nothing)
{
	begin();
	ck_assert_int_eq(chmod(folder, 0777), 0);
	ck_assert_int_eq(start_may(&web, &fault), -EIO);
	ck_assert_ptr_nonnull(strstr(fault.text, "run directory"));
	end();
}
END_TEST

static int decide(void)
{
	char config[128], protected[128];

	snprintf(config, sizeof(config), "%s/vmguard.conf", folder);
	snprintf(protected, sizeof(protected), "%s/protected", folder);
	fault_set(&fault, -EIO, "nobody knows");
	return start_decide(&web, config, protected, &fault);
}

START_TEST(what_is_not_known_stops_protected_guests_alone)
{
	begin();
	mkdir(strcat(strcpy((char[128]){""}, folder), "/protected"), 0700);
	ck_assert_int_eq(decide(), 0);
	write_file("protected/" OTHER, "");
	ck_assert_int_eq(decide(), 0);
	write_file("protected/" UUID, "");
	ck_assert_int_eq(decide(), -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "web is protected"));
	ck_assert_ptr_nonnull(strstr(fault.text, "nobody knows"));
	end();
}
END_TEST

START_TEST(a_setting_lets_them_start)
{
	begin();
	mkdir(strcat(strcpy((char[128]){""}, folder), "/protected"), 0700);
	write_file("protected/" UUID, "");
	write_file("vmguard.conf", "hook-when-down = allow\n");
	ck_assert_int_eq(decide(), 0);
	write_file("vmguard.conf", "hook-when-down = refuse\n");
	ck_assert_int_eq(decide(), -EPERM);
	write_file("vmguard.conf", "hook-when-down = alow\n");
	ck_assert_int_eq(decide(), -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "vmguard.conf:1: "));
	end();
}
END_TEST

UNIT_MAIN("start", a_guest_of_which_nothing_is_known_may, a_guest_that_is_being_restored_may_not,
	  a_name_counts_only_where_there_is_no_uuid, a_restore_whose_qemu_died_is_none,
	  other_files_are_no_restores, a_note_of_an_older_vmguard_has_no_uuid,
	  a_run_directory_that_others_can_write_says_nothing,
	  what_is_not_known_stops_protected_guests_alone, a_setting_lets_them_start)
