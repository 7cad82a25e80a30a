/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file may say, and where it is wrong. */
#include "vmguard/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static struct fault fault;
static struct config config;
static char path[64];

static int read_text(const char *text)
{
	strcpy(path, "/tmp/vg-config-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	int r = config_read(path, &config, &fault);
	unlink(path);
	return r;
}

START_TEST(has_no_settings_without_a_file)
{
	ck_assert_int_eq(config_read("/nowhere/vmguard.conf", &config, &fault), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
	ck_assert_int_eq(read_text(""), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
}
END_TEST

START_TEST(reads_a_setting)
{
	ck_assert_int_eq(read_text("# of this host\n\nhook-when-down = allow ; for now\n"), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_ALLOW);
	ck_assert_int_eq(read_text("hook-when-down=refuse"), 0);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
}
END_TEST

static void must_be_wrong(const char *text, const char *line, const char *words)
{
	config.hook_when_down = HOOK_ALLOW;
	ck_assert_msg(read_text(text) == -EINVAL, "%s", text);
	ck_assert_msg(strstr(fault.text, path) && strstr(fault.text, line) &&
			      strstr(fault.text, words),
		      "%s", fault.text);
	ck_assert_int_eq(config.hook_when_down, HOOK_REFUSE);
}

START_TEST(names_the_first_line_that_is_wrong)
{
	must_be_wrong("hook-when-down = maybe\n", ":1: ", "hook-when-down is allow or refuse");
	must_be_wrong("hook-when-down = allow\n\nhook-when-dwn = allow\nx = 1\n",
		      ":3: ", "no setting hook-when-dwn");
	must_be_wrong("hook-when-down = allow\n[hook]\nhook-when-down = allow\n",
		      ":3: ", "no section [hook]");
	must_be_wrong("hook-when-down = allow\nallow\n", ":2: ", "not NAME = VALUE");
	must_be_wrong("hook-when-down =\n", ":1: ", "allow or refuse");
}
END_TEST

START_TEST(cannot_read_a_folder)
{
	ck_assert_int_lt(config_read("/tmp", &config, &fault), 0);
	ck_assert_ptr_nonnull(strstr(fault.text, "/tmp"));
}
END_TEST

UNIT_MAIN("config", has_no_settings_without_a_file, reads_a_setting,
	  names_the_first_line_that_is_wrong, cannot_read_a_folder)
