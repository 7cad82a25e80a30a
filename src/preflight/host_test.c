/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before a host of files in a folder. */
#include "preflight/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"
#include "vmguard/scope.h"

static char root[64];

static void make_folder(const char *path)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	ck_assert_int_eq(mkdir(whole, 0700), 0);
}

static void make_file(const char *path, const char *text)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	FILE *file = fopen(whole, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void begin(void)
{
	static const char *const folders[] = {"/proc",	      "/proc/4711", "/proc/sys",
					      "/proc/sys/vm", "/etc",	    "/etc/libvirt"};

	strcpy(root, "/tmp/vg-host-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		make_folder(folders[i]);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
}

static struct preflight_facts see(void)
{
	struct preflight_facts facts = {.qemu = 4711, .libvirt_version = 9000000};

	preflight_see_host(root, &facts);
	return facts;
}

START_TEST(sees_the_rights_of_qemu)
{
	begin();
	make_file("/proc/4711/status", "Name:\tqemu\nUid:\t0\t64055\t0\t0\n"
				       "CapEff:\t0000000000080000\n");
	make_file("/proc/sys/vm/unprivileged_userfaultfd", "1\n");
	struct preflight_facts facts = see();
	ck_assert(facts.qemu_is_seen && facts.qemu_may_trace);
	ck_assert_uint_eq(facts.qemu_user, 64055);
	ck_assert_int_eq(facts.userfaultfd_sysctl, 1);
	make_file("/proc/4711/status", "Uid:\t1\t1\t1\t1\nCapEff:\tfffffffffff7ffff\n");
	facts = see();
	ck_assert(facts.qemu_is_seen && !facts.qemu_may_trace);
	end();
}
END_TEST

START_TEST(does_not_know_what_it_cannot_see)
{
	begin();
	struct preflight_facts facts = see();
	ck_assert(!facts.qemu_is_seen);
	ck_assert_int_eq(facts.userfaultfd_sysctl, -1);
	ck_assert_int_eq(facts.lock_manager_code, 0); /* without the file there is none */
	ck_assert_str_eq(facts.lock_manager, "");
	make_file("/proc/4711/status", "Uid:\tnobody\n");
	make_file("/proc/sys/vm/unprivileged_userfaultfd", "");
	facts = see();
	ck_assert(!facts.qemu_is_seen);
	ck_assert_int_eq(facts.userfaultfd_sysctl, -1);
	end();
}
END_TEST

START_TEST(reads_the_lock_manager)
{
	begin();
	make_file("/etc/libvirt/qemu.conf", "# lock_manager = \"sanlock\"\n\nuser = \"root\"\n"
					    "  lock_manager=\"lockd\" # yes\n");
	ck_assert_str_eq(see().lock_manager, "lockd");
	struct preflight_facts session = {.libvirt_version = 9000000, .is_session = true};
	preflight_see_host(root, &session);
	ck_assert_str_eq(session.lock_manager, "");
	end();
}
END_TEST

START_TEST(takes_only_the_setting_itself)
{
	static const char *const others[] = {"#lock_manager = \"lockd\"",  "lock_manager = lockd",
					     "xlock_manager = \"lockd\"",  "lock_manager \"lockd\"",
					     "lock_manager_x = \"lockd\"", ""};
	char name[PREFLIGHT_WORD_BYTES] = "";

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(!host_read_lock_manager(others[i], name), "%s", others[i]);
	ck_assert(host_read_lock_manager("\tlock_manager = 'sanlock'\n", name));
	ck_assert_str_eq(name, "sanlock");
}
END_TEST

START_TEST(tells_shared_file_systems_from_others)
{
	static const struct {
		uint32_t magic;
		const char *name;
		bool is_shared;
	} cases[] = {{0x6969, "nfs", true},
		     {0x00c36400, "ceph", true},
		     {0x01161970, "gfs2", true},
		     {0x7461636f, "ocfs2", true},
		     {0x65735546, "fuse", true},
		     {0xff534d42, "cifs", true},
		     {0xef53, "ext4", false},
		     {0x01021994, "tmpfs", false},
		     {0x1234, "of type 0x1234", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct preflight_file file = {.is_shared = true};

		host_name_filesystem(cases[i].magic, &file);
		ck_assert_str_eq(file.filesystem, cases[i].name);
		ck_assert(file.is_shared == cases[i].is_shared);
	}
}
END_TEST

START_TEST(looks_where_the_files_are)
{
	struct preflight_file files[] = {{.path = "/proc/version"}, {.path = "/nowhere/disk"}};
	struct preflight_facts facts = {.machine = {.files = files, .file_count = 2}};

	preflight_see_host("", &facts);
	ck_assert_int_eq(files[0].code, 0);
	ck_assert_str_eq(files[0].filesystem, "of type 0x9fa0");
	ck_assert(!files[0].is_shared);
	ck_assert_int_eq(files[1].code, -ENOENT);
}
END_TEST

UNIT_MAIN("host", sees_the_rights_of_qemu, does_not_know_what_it_cannot_see, reads_the_lock_manager,
	  takes_only_the_setting_itself, tells_shared_file_systems_from_others,
	  looks_where_the_files_are)
