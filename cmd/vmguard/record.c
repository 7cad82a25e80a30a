/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmguard/hypervisor.h"

enum { PATH_BYTES = 160 };

/* A process id comes again; with its start it does not. */
static int path_of(const struct holder *qemu, char path[PATH_BYTES], struct fault *f)
{
	char folder[96];
	int r = run_directory(folder, f);

	if (!r)
		snprintf(path, PATH_BYTES, "%s/restore-%" PRId64 "-%" PRIu64, folder, qemu->pid,
			 qemu->started);
	return r;
}

int record_write(const struct holder *qemu, const struct record *r, struct fault *f)
{
	char path[PATH_BYTES], part[PATH_BYTES + 8];

	if (!qemu->pid)
		return 0;
	if (path_of(qemu, path, f) < 0)
		return f->code;
	snprintf(part, sizeof(part), "%s.part", path);
	FILE *file = fopen(part, "we");
	if (!file)
		return fault_errno(f, -errno, "write %s", part);
	fprintf(file, "%s\n%s\n%" PRIu64 "\n%u\n", r->store, r->target.guest, r->target.number,
		r->percent);
	if (fclose(file) || rename(part, path) < 0)
		return fault_errno(f, -errno, "write %s", path);
	return 0;
}

int record_read(const struct holder *qemu, struct record *r, struct fault *f)
{
	char path[PATH_BYTES];

	*r = (struct record){0};
	if (path_of(qemu, path, f) < 0)
		return f->code;
	FILE *file = fopen(path, "re");
	if (!file)
		return fault_set(f, -ENOENT,
				 "there is no note of what process %" PRId64
				 " is restored from (%s)",
				 qemu->pid, path);
	int fields = fscanf(file, "%511[^\n]\n%64[^\n]\n%" SCNu64 "\n%u", r->store, r->target.guest,
			    &r->target.number, &r->percent);
	fclose(file);
	return fields == 4 ? 0 : fault_set(f, -EBADMSG, "%s is damaged", path);
}

void record_remove(const struct holder *qemu)
{
	char path[PATH_BYTES];
	struct fault ignored;

	if (!path_of(qemu, path, &ignored))
		unlink(path);
}
