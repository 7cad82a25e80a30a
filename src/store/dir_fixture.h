/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store in a folder of its own, and a look at the files in it. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "contract_calls.h"
#include "dir.h"

static char folder[64];
static char uri[80];

static const char *contract_uri(void)
{
	return uri;
}

/* Counts the files of the guest's folder whose name starts with `prefix`. */
static inline int count_files(const char *prefix)
{
	char path[128];
	struct dirent *entry;
	int count = 0;

	snprintf(path, sizeof(path), "%s/guest", folder);
	DIR *names = opendir(path);
	ck_assert_ptr_nonnull(names);
	while ((entry = readdir(names)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(names);
	return count;
}

static inline int open_file(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/guest/%s", folder, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

/* The lock of the texts stays: who removes it takes it from under the next one. */
static inline void remove_texts(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.texts-test/.lock", folder);
	if (unlink(path) < 0) {
		ck_assert_int_eq(errno, ENOENT); /* there were no texts in this test */
		return;
	}
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
}

START_TEST(leaves_nothing_behind)
{
	struct store *s = contract_store();

	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
	store_close(s);
	remove_texts();
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* The folder is made by the store: its parent is there. */
__attribute__((constructor)) static void choose_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/vmguard-dir-test-%d", (int)getpid());
	snprintf(uri, sizeof(uri), "dir:%s", folder);
}
