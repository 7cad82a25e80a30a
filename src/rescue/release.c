/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Releasing the vCPUs of a QEMU whose background snapshot failed: 7.2 leaves RAM write-protected
 * with nobody to answer the faults. QEMU's userfaultfd descriptors are borrowed (pidfd_getfd)
 * and each area that is still protected is un-protected, unregistered and woken.
 *
 * A failed snapshot leaks its descriptor, so there may be several; only the one an area
 * is registered with can release it, hence every area is tried with every descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmguard/rescue.h"
#include "vmguard/scope.h"

struct area {
	unsigned long start, end;
};

static bool has_flag(const char *line, const char *flag)
{
	return !strncmp(line, "VmFlags:", 8) && strstr(line, flag);
}

static int release_area(int uffd, const struct area *a)
{
	struct uffdio_range range = {a->start, a->end - a->start};
	struct uffdio_writeprotect protect = {.range = range, .mode = 0};

	ioctl(uffd, UFFDIO_WRITEPROTECT, &protect); /* may not be protected any more */
	if (ioctl(uffd, UFFDIO_UNREGISTER, &range) < 0)
		return -errno;
	ioctl(uffd, UFFDIO_WAKE, &range);
	return 0;
}

/* Releases what of the process's memory is registered with this descriptor ("uw" in smaps). */
static int release_areas(pid_t pid, int uffd, struct rescue_report *report, struct fault *f)
{
	char path[32];
	char line[512];
	struct area a = {0, 0};

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	FILE *smaps = fopen(path, "re");
	if (!smaps)
		return fault_errno(f, -errno, "read %s", path);
	while (fgets(line, sizeof(line), smaps)) {
		struct area next;

		if (sscanf(line, "%lx-%lx ", &next.start, &next.end) == 2)
			a = next;
		else if (has_flag(line, " uw") && !release_area(uffd, &a))
			report->areas_released++;
	}
	fclose(smaps);
	return 0;
}

static int borrow(int pidfd, int fd, struct fault *f)
{
	int own = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	if (own < 0)
		return fault_errno(f, -errno,
				   "borrow QEMU's userfaultfd (run as root, or with "
				   "CAP_SYS_PTRACE)");
	return own;
}

int rescue_release(pid_t pid, struct rescue_report *report, struct fault *f)
{
	char folder[32];
	char path[64 + sizeof(((struct dirent *)0)->d_name)];
	char link[128];
	struct dirent *entry;
	int r = 0;
	auto_fd int pidfd = syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return fault_errno(f, -errno, "open process %d", (int)pid);
	snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)pid);
	DIR *fds = opendir(folder);
	if (!fds)
		return fault_errno(f, -errno, "look at the descriptors of process %d", (int)pid);
	while (!r && (entry = readdir(fds))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		ssize_t length = readlink(path, link, sizeof(link) - 1);

		link[length < 0 ? 0 : length] = '\0';
		if (strcmp(link, "anon_inode:[userfaultfd]") != 0)
			continue;
		auto_fd int uffd = borrow(pidfd, atoi(entry->d_name), f);
		r = uffd < 0 ? uffd : release_areas(pid, uffd, report, f);
	}
	closedir(fds);
	return r;
}
