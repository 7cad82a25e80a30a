/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host says: /proc, libvirt's qemu.conf, and the file systems of the guest's files. */
#include "preflight/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

enum {
	PATH_BYTES = 512,
	LINE_BYTES = 1024,
	TRACE_BIT = 19, /* CAP_SYS_PTRACE (linux/capability.h) */
};

/* ---- /proc ------------------------------------------------------------------------------- */

static FILE *open_under(const char *root, const char *path)
{
	char whole[PATH_BYTES];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return fopen(whole, "re");
}

static void see_process(const char *root, struct preflight_facts *facts)
{
	char path[64], line[LINE_BYTES];
	unsigned long long capabilities = 0;
	bool has_user = false, has_capabilities = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)facts->qemu);
	FILE *file = facts->qemu > 0 ? open_under(root, path) : NULL;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		has_user |= sscanf(line, "Uid: %*u %u", &facts->qemu_user) == 1;
		has_capabilities |= sscanf(line, "CapEff: %llx", &capabilities) == 1;
	}
	fclose(file);
	facts->qemu_may_trace = capabilities >> TRACE_BIT & 1;
	facts->qemu_is_seen = has_user && has_capabilities;
}

static void see_sysctl(const char *root, struct preflight_facts *facts)
{
	FILE *file = open_under(root, "/proc/sys/vm/unprivileged_userfaultfd");

	facts->userfaultfd_sysctl = -1;
	if (!file)
		return;
	if (fscanf(file, "%d", &facts->userfaultfd_sysctl) != 1)
		facts->userfaultfd_sysctl = -1;
	fclose(file);
}

/* ---- libvirt's settings ------------------------------------------------------------------ */

bool host_read_lock_manager(const char *line, char name[PREFLIGHT_WORD_BYTES])
{
	char quote[2];

	_Static_assert(PREFLIGHT_WORD_BYTES == 32, "the width below");
	return sscanf(line, " lock_manager = %1[\"']%31[^\"'\n]", quote, name) == 2;
}

/* A user's own libvirtd has no lock manager unless its user made one. */
static void see_lock_manager(const char *root, struct preflight_facts *facts)
{
	char line[LINE_BYTES];

	if (!facts->libvirt_version || facts->is_session)
		return;
	FILE *file = open_under(root, "/etc/libvirt/qemu.conf");
	if (!file) {
		facts->lock_manager_code = errno == ENOENT ? 0 : -errno;
		return;
	}
	while (fgets(line, sizeof(line), file))
		host_read_lock_manager(line, facts->lock_manager);
	fclose(file);
}

/* ---- file systems ------------------------------------------------------------------------ */

void host_name_filesystem(uint32_t magic, struct preflight_file *file)
{
	static const struct {
		const char *name;
		uint32_t magic;
		bool is_shared;
	} known[] = {
		{"nfs", 0x6969, true},
		{"ceph", 0x00c36400, true},
		{"gfs2", 0x01161970, true},
		{"ocfs2", 0x7461636f, true},
		{"fuse", 0x65735546, true},
		{"lustre", 0x0bd00bd0, true},
		{"gpfs", 0x47504653, true},
		{"beegfs", 0x19830326, true},
		{"cifs", 0xff534d42, true},
		{"smb2", 0xfe534d42, true},
		{"ext4", 0xef53, false},
		{"xfs", 0x58465342, false},
		{"btrfs", 0x9123683e, false},
		{"zfs", 0x2fc12fc1, false},
		{"tmpfs", 0x01021994, false},
		{"overlay", 0x794c7630, false},
		{"hugetlbfs", 0x958458f6, false},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].magic == magic) {
			snprintf(file->filesystem, sizeof(file->filesystem), "%s", known[i].name);
			file->is_shared = known[i].is_shared;
			return;
		}
	snprintf(file->filesystem, sizeof(file->filesystem), "of type 0x%x", magic);
	file->is_shared = false;
}

static void see_file(struct preflight_file *file)
{
	struct statfs status;

	file->code = statfs(file->path, &status) < 0 ? -errno : 0;
	if (!file->code)
		host_name_filesystem((uint32_t)status.f_type, file);
}

void preflight_see_host(const char *root, struct preflight_facts *facts)
{
	see_process(root, facts);
	see_sysctl(root, facts);
	see_lock_manager(root, facts);
	for (size_t i = 0; i < facts->machine.file_count; i++)
		see_file(&facts->machine.files[i]);
}
