/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/hypervisor.h"

enum { PATH_BYTES = 160 };

/*
 * A process id comes again; with its start (proc(5), stat, field 22) it does not. The name before
 * it may have spaces and brackets in it.
 */
static unsigned long long start_of(pid_t pid)
{
	char path[32];
	char text[1024];
	unsigned long long start = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[n] = '\0';
	const char *behind = strrchr(text, ')');
	if (behind)
		sscanf(behind,
		       ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
		       "%*d %llu",
		       &start);
	return start;
}

static int path_of(pid_t qemu, char path[PATH_BYTES], struct fault *f)
{
	char folder[96];
	int r = run_directory(folder, f);

	if (!r)
		snprintf(path, PATH_BYTES, "%s/restore-%d-%llu", folder, (int)qemu, start_of(qemu));
	return r;
}

int record_write(pid_t qemu, const struct record *r, struct fault *f)
{
	char path[PATH_BYTES];

	if (path_of(qemu, path, f) < 0)
		return f->code;
	FILE *file = fopen(path, "we");
	if (!file)
		return fault_errno(f, -errno, "write %s", path);
	fprintf(file, "%s\n%s\n%" PRIu64 "\n", r->store, r->target.guest, r->target.number);
	return fclose(file) ? fault_errno(f, -errno, "write %s", path) : 0;
}

int record_read(pid_t qemu, struct record *r, struct fault *f)
{
	char path[PATH_BYTES];

	*r = (struct record){0};
	if (path_of(qemu, path, f) < 0)
		return f->code;
	FILE *file = fopen(path, "re");
	if (!file)
		return fault_set(f, -ENOENT,
				 "there is no note of what process %d is restored from (%s)",
				 (int)qemu, path);
	int fields = fscanf(file, "%511[^\n]\n%64[^\n]\n%" SCNu64, r->store, r->target.guest,
			    &r->target.number);
	fclose(file);
	return fields == 3 ? 0 : fault_set(f, -EBADMSG, "%s is damaged", path);
}

void record_remove(pid_t qemu)
{
	char path[PATH_BYTES];
	struct fault ignored;

	if (!path_of(qemu, path, &ignored))
		unlink(path);
}
