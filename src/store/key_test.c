/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "unit.h"

static struct fault fault;
static char path[64];

static void write_key(const void *bytes, size_t length, mode_t mode)
{
	strcpy(path, "/tmp/vmguard-key-test-XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void remove_key(void)
{
	ck_assert_int_eq(unlink(path), 0);
}

/* ---- a store that encrypts, as far as its table says ----------------------------------- */

static bool key_at_close;

static void fake_close(struct store *s)
{
	key_at_close = s->key && s->key->text[0] == 's';
	free(s);
}

static struct store *fake_store(bool encrypts)
{
	static const struct store_ops ops[] = {{.name = "plain", .close = fake_close},
					       {.name = "crypt", .close = fake_close}};
	static struct store_ops chosen;
	struct store *s = calloc(1, sizeof(*s));

	chosen = ops[encrypts];
	chosen.encrypts = encrypts;
	s->ops = &chosen;
	strcpy(s->uri, "dir:/srv/vm");
	return s;
}

/* ---- cases ---------------------------------------------------------------------------- */

START_TEST(takes_all_bytes_of_the_file)
{
	static const char bytes[] = "a\0b \xff\n";
	auto_of(store_close) struct store *s = fake_store(true);

	write_key(bytes, sizeof(bytes), 0600);
	ck_assert_msg(store_use_key(s, path, true, &fault) == 0, "%s", fault.text);
	ck_assert_uint_eq(s->key->bytes, sizeof(bytes));
	ck_assert_mem_eq(s->key->text, bytes, sizeof(bytes));
	ck_assert(s->encrypt_new);
	ck_assert_int_eq(store_use_key(s, path, false, &fault), 0); /* instead of that */
	ck_assert(!s->encrypt_new);
	remove_key();
}
END_TEST

START_TEST(takes_a_key_of_the_greatest_length)
{
	static char bytes[STORE_KEY_BYTES_MAX + 1];
	auto_of(store_close) struct store *s = fake_store(true);

	memset(bytes, 'k', sizeof(bytes));
	write_key(bytes, STORE_KEY_BYTES_MAX, 0640);
	ck_assert_int_eq(store_use_key(s, path, false, &fault), 0);
	ck_assert_uint_eq(s->key->bytes, STORE_KEY_BYTES_MAX);
	ck_assert_mem_eq(s->key->text, bytes, STORE_KEY_BYTES_MAX);
	remove_key();
	write_key(bytes, STORE_KEY_BYTES_MAX + 1, 0600);
	ck_assert_int_eq(store_use_key(s, path, false, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "8192 bytes"));
	ck_assert_uint_eq(s->key->bytes, STORE_KEY_BYTES_MAX); /* the old one stays */
	remove_key();
}
END_TEST

START_TEST(refuses_a_file_that_is_no_key)
{
	auto_of(store_close) struct store *s = fake_store(true);

	write_key("", 0, 0600);
	ck_assert_int_eq(store_use_key(s, path, true, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "is empty"));
	remove_key();
	ck_assert_int_eq(store_use_key(s, path, true, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, path));
	ck_assert_int_lt(store_use_key(s, "/proc/self/task", true, &fault), 0);
	ck_assert_ptr_null(s->key);
	ck_assert(!s->encrypt_new);
}
END_TEST

START_TEST(refuses_a_key_that_everyone_may_read)
{
	auto_of(store_close) struct store *s = fake_store(true);

	write_key("secret", 6, 0644);
	ck_assert_int_eq(store_use_key(s, path, true, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "chmod 600"));
	ck_assert_ptr_null(strstr(fault.text, "secret"));
	ck_assert_int_eq(chmod(path, 0602), 0);
	ck_assert_int_eq(store_use_key(s, path, true, &fault), -EINVAL);
	ck_assert_ptr_null(s->key);
	remove_key();
}
END_TEST

START_TEST(names_dm_crypt_where_the_store_does_not_encrypt)
{
	auto_of(store_close) struct store *s = fake_store(false);

	write_key("secret", 6, 0600);
	ck_assert_int_eq(store_use_key(s, path, true, &fault), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(fault.text, "dm-crypt"));
	ck_assert_ptr_nonnull(strstr(fault.text, "cryptsetup"));
	ck_assert_ptr_nonnull(strstr(fault.text, "dir:/srv/vm"));
	ck_assert_ptr_null(s->key);
	remove_key();
}
END_TEST

/* The line VmFlags of the mapping that holds an address, from our own smaps. */
static bool find_flags(const void *address, char flags[256])
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	unsigned long from, to, wanted = (unsigned long)address;
	bool inside = false;
	char line[256];

	flags[0] = '\0';
	ck_assert_ptr_nonnull(smaps);
	while (!flags[0] && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= wanted && wanted < to;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			strcpy(flags, line);
	}
	fclose(smaps);
	return flags[0] != '\0';
}

START_TEST(locks_the_key_and_keeps_it_out_of_core_dumps)
{
	auto_of(store_close) struct store *s = fake_store(true);
	char flags[256];

	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	write_key("secret", 6, 0600);
	ck_assert_int_eq(store_use_key(s, path, true, &fault), 0);
	ck_assert(find_flags(s->key, flags));
	ck_assert_msg(SANITIZED || strstr(flags, " lo"), "not locked: %s", flags);
	ck_assert_msg(strstr(flags, " dd"), "in core dumps: %s", flags);
	ck_assert_msg(strstr(flags, " dc"), "in children: %s", flags);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	remove_key();
}
END_TEST

START_TEST(keeps_no_key_in_memory_that_cannot_be_locked)
{
	auto_of(store_close) struct store *s = fake_store(true);
	struct rlimit before, none = {0, 0};

	if (geteuid() == 0)
		return; /* no limit holds root */
	write_key("secret", 6, 0600);
	getrlimit(RLIMIT_MEMLOCK, &before);
	none.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &none);
	int r = store_use_key(s, path, true, &fault);
	setrlimit(RLIMIT_MEMLOCK, &before);
	ck_assert_int_lt(r, 0);
	ck_assert_ptr_nonnull(strstr(fault.text, "ulimit -l"));
	ck_assert_ptr_null(s->key);
	remove_key();
}
END_TEST

/* The backend may use it to its end, then it is gone: its address is mapped no more. */
START_TEST(forgets_the_key_when_the_store_is_closed)
{
	struct store *s = fake_store(true);
	char flags[256];

	write_key("secret", 6, 0600);
	ck_assert_int_eq(store_use_key(s, path, true, &fault), 0);
	const void *address = s->key;
	ck_assert(find_flags(address, flags));
	key_at_close = false;
	store_close(s);
	ck_assert(key_at_close);
	ck_assert(!find_flags(address, flags) || !strstr(flags, " dd"));
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	remove_key();
}
END_TEST

UNIT_MAIN("key", takes_all_bytes_of_the_file, takes_a_key_of_the_greatest_length,
	  refuses_a_file_that_is_no_key, refuses_a_key_that_everyone_may_read,
	  names_dm_crypt_where_the_store_does_not_encrypt,
	  locks_the_key_and_keeps_it_out_of_core_dumps,
	  keeps_no_key_in_memory_that_cannot_be_locked, forgets_the_key_when_the_store_is_closed)
