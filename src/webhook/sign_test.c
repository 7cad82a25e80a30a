/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against what Python's hmac module says. */
#include "webhook/sign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

static struct fault fault;
static char path[64];

static int read_secret(const char *text, size_t bytes, mode_t mode, struct secret **s)
{
	strcpy(path, "/tmp/vg-secret-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, bytes), (ssize_t)bytes);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	int r = secret_read(path, s, &fault);
	unlink(path);
	return r;
}

START_TEST(a_signature_is_of_time_and_body)
{
	char signature[SIGNATURE_BYTES];
	struct secret *s;

	ck_assert_int_eq(read_secret("Jefe\n", 5, 0600, &s), 0);
	ck_assert_int_eq(secret_sign(s, 1700000000, "{\"a\":1}", signature, &fault), 0);
	ck_assert_str_eq(signature,
			 "t=1700000000,v1="
			 "fa5f6481efc59da48b19c9dc10196c9953e5651f8304b3a318b6b87d70272e0a");
	secret_wipe(s);
}
END_TEST

START_TEST(a_secret_is_not_everyone_s)
{
	struct secret *s;

	ck_assert_int_eq(read_secret("Jefe", 4, 0644, &s), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "chmod 640"));
	ck_assert_ptr_null(s);
	ck_assert_int_eq(read_secret("Jefe", 4, 0640, &s), 0);
	secret_wipe(s);
}
END_TEST

START_TEST(a_secret_is_some_bytes)
{
	char text[4098];
	struct secret *s;

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(read_secret("", 0, 0600, &s), -EINVAL);
	ck_assert_int_eq(read_secret("\n", 1, 0600, &s), -EINVAL);
	ck_assert_int_eq(read_secret(text, 4097, 0600, &s), -EINVAL);
	ck_assert_int_eq(read_secret(text, 4096, 0600, &s), 0);
	secret_wipe(s);
	ck_assert_int_eq(secret_read("/nowhere/secret", &s, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/nowhere/secret"));
}
END_TEST

UNIT_MAIN("sign", a_signature_is_of_time_and_body, a_secret_is_not_everyone_s,
	  a_secret_is_some_bytes)
