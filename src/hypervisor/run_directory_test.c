/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/hypervisor.h"

static struct fault fault;
static char folder[64];	 /* of the case, */
static char wanted[128]; /* and the run directory in it */

static void begin(void)
{
	strcpy(folder, "/tmp/vmguard-run-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(wanted, sizeof(wanted), "%s/run", folder);
	setenv("VMGUARD_RUN_DIR", wanted, 1);
}

static void end(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
}

static void must_refuse(int code, const char *words)
{
	char path[96];

	ck_assert_int_eq(run_directory(path, &fault), code);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
}

static unsigned mode_of(const char *path)
{
	struct stat status;

	ck_assert_int_eq(stat(path, &status), 0);
	return status.st_mode & 07777;
}

START_TEST(makes_it_for_its_owner_alone)
{
	char path[96];
	mode_t mask = umask(0);

	begin();
	ck_assert_msg(run_directory(path, &fault) == 0, "%s", fault.text);
	umask(mask);
	ck_assert_str_eq(path, wanted);
	ck_assert_uint_eq(mode_of(wanted), 0700);
	ck_assert_int_eq(run_directory(path, &fault), 0); /* and finds it again */
	ck_assert_int_eq(rmdir(wanted), 0);
	end();
}
END_TEST

START_TEST(takes_one_that_others_can_only_read)
{
	char path[96];

	begin();
	ck_assert_int_eq(mkdir(wanted, 0755), 0);
	ck_assert_int_eq(run_directory(path, &fault), 0);
	ck_assert_uint_eq(mode_of(wanted), 0755);
	ck_assert_int_eq(rmdir(wanted), 0);
	end();
}
END_TEST

START_TEST(refuses_one_that_others_can_write)
{
	static const mode_t modes[] = {0720, 0702, 0770, 0777, 01777};

	begin();
	ck_assert_int_eq(mkdir(wanted, 0700), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		ck_assert_int_eq(chmod(wanted, modes[i]), 0);
		must_refuse(-EPERM, "that only its owner, you, can write");
		ck_assert_ptr_nonnull(strstr(fault.text, wanted));
	}
	ck_assert_int_eq(rmdir(wanted), 0);
	end();
}
END_TEST

START_TEST(refuses_a_symbolic_link)
{
	char target[128];

	begin();
	snprintf(target, sizeof(target), "%s/target", folder);
	ck_assert_int_eq(symlink(target, wanted), 0);
	must_refuse(-EPERM, wanted); /* to nowhere */
	ck_assert_int_eq(mkdir(target, 0700), 0);
	must_refuse(-EPERM, wanted);
	ck_assert_int_eq(unlink(wanted), 0);
	ck_assert_int_eq(rmdir(target), 0);
	end();
}
END_TEST

START_TEST(refuses_a_file)
{
	begin();
	FILE *file = fopen(wanted, "we");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	must_refuse(-EPERM, wanted);
	ck_assert_int_eq(unlink(wanted), 0);
	end();
}
END_TEST

START_TEST(refuses_one_of_somebody_else)
{
	if (geteuid() != 0)
		return;
	begin();
	ck_assert_int_eq(mkdir(wanted, 0700), 0);
	ck_assert_int_eq(chown(wanted, 65534, 65534), 0);
	must_refuse(-EPERM, wanted);
	ck_assert_int_eq(rmdir(wanted), 0);
	end();
}
END_TEST

START_TEST(refuses_a_path_that_leaves_no_room_for_a_socket)
{
	char path[96], name[128] = "/tmp/";

	memset(name + 5, 'x', 95 - 5);
	setenv("VMGUARD_RUN_DIR", name, 1);
	ck_assert_msg(run_directory(path, &fault) == 0, "%s", fault.text);
	ck_assert_str_eq(path, name);
	ck_assert_int_eq(rmdir(name), 0);
	for (int length = 96; length < 120; length++) {
		memset(name + 5, 'x', length - 5);
		setenv("VMGUARD_RUN_DIR", name, 1);
		must_refuse(-ENAMETOOLONG, "VMGUARD_RUN_DIR");
		ck_assert_int_lt(access(name, F_OK), 0);
	}
}
END_TEST

START_TEST(does_not_make_the_folders_above_it)
{
	begin();
	snprintf(wanted, sizeof(wanted), "%s/a/b", folder);
	setenv("VMGUARD_RUN_DIR", wanted, 1);
	must_refuse(-ENOENT, "make the run directory");
	end();
}
END_TEST

UNIT_MAIN("run_directory", makes_it_for_its_owner_alone, takes_one_that_others_can_only_read,
	  refuses_one_that_others_can_write, refuses_a_symbolic_link, refuses_a_file,
	  refuses_one_of_somebody_else, refuses_a_path_that_leaves_no_room_for_a_socket,
	  does_not_make_the_folders_above_it)
