/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drill_note.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"
#include "vmguard/holder.h"

#define UUID "0e6c8a4d-3f3a-4a0c-8b62-7d8a4c1c9a10"

static char folder[64];
static struct fault fault;

static struct disk disks[] = {
	{.target = "vda",
	 .storage = DISK_RBD,
	 .source = "vms/web-drill-1a2b3c4d",
	 .conf = "/etc/ceph/ceph.conf",
	 .user = "vms"},
	{.target = "vdb", .source = "/srv/a file-drill-1a2b3c4d.qcow2"},
};

static struct drill_note note_of(const char *guest)
{
	struct drill_note n = {
		.uri = "qemu:///system",
		.copy = {.name = "web-drill-1a2b3c4d",
			 .uuid = UUID,
			 .nvram = "/srv/web-drill-1a2b3c4d_VARS.fd",
			 .disks = {disks, 2}},
	};

	snprintf(n.guest, sizeof(n.guest), "%s", guest);
	return n;
}

static void own_path(char path[256])
{
	struct holder self;

	ck_assert_int_eq(holder_of(getpid(), &self, &fault), 0);
	snprintf(path, 256, "%s/drill-%" PRId64 "-%" PRIu64, folder, self.pid, self.started);
}

/* This process, started at another time, is dead. */
static void die(unsigned started)
{
	char from[256], to[256];

	own_path(from);
	snprintf(to, sizeof(to), "%s/drill-%d-%u", folder, getpid(), started);
	ck_assert_int_eq(rename(from, to), 0);
}

static void write_note(const struct drill_note *n)
{
	ck_assert_msg(drill_note_write(n, &fault) == 0, "%s", fault.text);
}

static int check(void *seen, const struct drill_note *n, struct fault *f)
{
	const struct disk_list *list = &n->copy.disks;

	(void)f;
	++*(int *)seen;
	ck_assert_str_eq(n->uri, "qemu:///system");
	ck_assert_str_eq(n->copy.name, "web-drill-1a2b3c4d");
	ck_assert_str_eq(n->copy.uuid, UUID);
	ck_assert_str_eq(n->copy.nvram, "/srv/web-drill-1a2b3c4d_VARS.fd");
	ck_assert_uint_eq(list->count, 2);
	ck_assert_int_eq(list->disks[0].storage, DISK_RBD);
	ck_assert_str_eq(list->disks[0].source, disks[0].source);
	ck_assert_str_eq(list->disks[0].conf, disks[0].conf);
	ck_assert_str_eq(list->disks[0].user, disks[0].user);
	ck_assert_int_eq(list->disks[1].storage, DISK_FILE);
	ck_assert_str_eq(list->disks[1].source, disks[1].source);
	ck_assert_str_eq(list->disks[1].conf, "");
	return 0;
}

static int each(const char *guest)
{
	int seen = 0;
	int r = drill_note_each(guest, check, &seen, &fault);

	return r < 0 ? r : seen;
}

static void begin(void)
{
	snprintf(folder, sizeof(folder), "/tmp/drill-note-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("VMGUARD_RUN_DIR", folder, 1);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(what_a_dead_one_made_is_found_once)
{
	const struct drill_note n = note_of("web");

	begin();
	write_note(&n);
	die(1);
	ck_assert_int_eq(each("web"), 1);
	ck_assert_int_eq(each("web"), 0);
	end();
}
END_TEST

START_TEST(one_that_lives_is_left_alone)
{
	char path[256];
	const struct drill_note n = note_of("web");

	begin();
	write_note(&n);
	ck_assert_int_eq(each("web"), 0);
	own_path(path);
	ck_assert_int_eq(access(path, F_OK), 0);
	drill_note_remove();
	ck_assert_int_eq(access(path, F_OK), -1);
	end();
}
END_TEST

START_TEST(one_of_another_guest_is_left_alone)
{
	const struct drill_note web = note_of("web"), db = note_of("db");

	begin();
	write_note(&web);
	die(1);
	write_note(&db);
	die(2);
	ck_assert_int_eq(each("web"), 1);
	ck_assert_int_eq(each("db"), 1);
	end();
}
END_TEST

static int refuse(void *seen, const struct drill_note *n, struct fault *f)
{
	(void)seen;
	return fault_set(f, -EBUSY, "%s is in use", n->copy.name);
}

START_TEST(what_cannot_be_removed_is_tried_again)
{
	const struct drill_note n = note_of("web");

	begin();
	write_note(&n);
	die(1);
	ck_assert_int_eq(drill_note_each("web", refuse, NULL, &fault), -EBUSY);
	ck_assert_int_eq(each("web"), 1);
	end();
}
END_TEST

START_TEST(what_is_not_a_drills_is_never_named)
{
	struct drill_note n = note_of("web");
	struct disk other = {.target = "vda", .source = "/srv/web.qcow2"};

	begin();
	snprintf(n.copy.name, sizeof(n.copy.name), "web");
	write_note(&n);
	die(1);
	ck_assert_int_eq(each("web"), -EBADMSG);
	n = note_of("web");
	n.copy.disks = (struct disk_list){&other, 1};
	write_note(&n);
	die(1);
	ck_assert_int_eq(each("web"), -EBADMSG);
	n = note_of("web");
	snprintf(n.copy.nvram, sizeof(n.copy.nvram), "/srv/web_VARS.fd");
	write_note(&n);
	die(1);
	ck_assert_int_eq(each("web"), -EBADMSG);
	end();
}
END_TEST

START_TEST(a_note_that_was_cut_names_nothing)
{
	const struct drill_note n = note_of("web");
	char path[256];
	struct stat st;

	begin();
	write_note(&n);
	die(1);
	snprintf(path, sizeof(path), "%s/drill-%d-1", folder, getpid());
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t size = st.st_size - 1; size >= 0; size--) {
		ck_assert_int_eq(truncate(path, size), 0);
		ck_assert_int_eq(each("web"), -EBADMSG);
	}
	end();
}
END_TEST

UNIT_MAIN("drill_note", what_a_dead_one_made_is_found_once, one_that_lives_is_left_alone,
	  one_of_another_guest_is_left_alone, what_cannot_be_removed_is_tried_again,
	  what_is_not_a_drills_is_never_named, a_note_that_was_cut_names_nothing)
