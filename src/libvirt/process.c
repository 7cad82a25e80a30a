/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmguard/scope.h"

enum { WORDS_BYTES = 64 << 10 }; /* -uuid stands near the beginning */

bool process_words_name(const char *words, size_t bytes, const char *uuid)
{
	const char *end = words + bytes;
	bool is_value = false;

	while (words < end) {
		size_t length = strnlen(words, end - words);

		if (words + length == end)
			return false; /* cut */
		if (is_value && !strcasecmp(words, uuid))
			return true;
		is_value = !strcmp(words, "-uuid");
		words += length + 1;
	}
	return false;
}

static bool runs(const char *pid, const char *uuid, char *words)
{
	char path[300];
	size_t used = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (used < WORDS_BYTES && (n = read(fd, words + used, WORDS_BYTES - used)) > 0)
		used += n;
	return process_words_name(words, used, uuid);
}

pid_t process_find(const char *uuid, struct fault *f)
{
	auto_free char *words = malloc(WORDS_BYTES);
	struct dirent *entry;
	unsigned found = 0;
	pid_t pid = -1;
	DIR *processes = opendir("/proc");

	if (!processes)
		return fault_errno(f, -errno, "look for the domain's process in /proc");
	while (words && (entry = readdir(processes)))
		if (*entry->d_name >= '1' && *entry->d_name <= '9' &&
		    runs(entry->d_name, uuid, words)) {
			pid = (pid_t)strtol(entry->d_name, NULL, 10);
			found++;
		}
	closedir(processes);
	if (!words)
		return fault_errno(f, -ENOMEM, "look for the domain's process");
	if (!found)
		return fault_set(f, -ESRCH, "no process on this host has -uuid %s", uuid);
	if (found > 1)
		return fault_set(f, -ENOTUNIQ, "%u processes on this host have -uuid %s", found,
				 uuid);
	return pid;
}
