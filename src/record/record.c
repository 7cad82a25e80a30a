/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/record.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = RECORD_PATH_BYTES };

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

int record_monitor_path(const struct holder *qemu, char path[RECORD_PATH_BYTES], struct fault *f)
{
	static const char end[] = ".monitor";
	int r = path_of(qemu, path, f);

	if (!r)
		snprintf(path + strlen(path), sizeof(end), "%s", end);
	return r;
}

static void print(FILE *file, const struct record *r)
{
	char feeder[HOLDER_BYTES] = "-";

	if (r->feeder.pid)
		holder_encode(&r->feeder, feeder);
	fprintf(file, "%s\n%s\n%" PRIu64 "\n%u\n", r->store, r->guest, r->number, r->percent);
	fprintf(file, "%s\n%s\n%d\n%zu\n", r->socket, r->qemu_version, r->preempt, r->block_count);
	for (size_t i = 0; i < r->block_count; i++)
		fprintf(file, "%" PRIu64 "\n", r->host_page_bytes[i]);
	fprintf(file, "%s\n%s\n", feeder, r->uuid);
}

static bool scan(FILE *file, struct record *r)
{
	char feeder[HOLDER_BYTES];
	int preempt;

	if (fscanf(file, "%511[^\n]\n%64[^\n]\n%" SCNu64 "\n%u\n", r->store, r->guest, &r->number,
		   &r->percent) != 4 ||
	    fscanf(file, "%4095[^\n]\n%31[^\n]\n%d\n%zu", r->socket, r->qemu_version, &preempt,
		   &r->block_count) != 4 ||
	    r->block_count > LAYOUT_BLOCKS_MAX)
		return false;
	r->preempt = preempt;
	for (size_t i = 0; i < r->block_count; i++)
		if (fscanf(file, "%" SCNu64, &r->host_page_bytes[i]) != 1)
			return false;
	if (fscanf(file, " %255[^\n]", feeder) != 1 ||
	    !holder_decode(&r->feeder, feeder, strlen(feeder)))
		r->feeder = (struct holder){0};
	if (fscanf(file, " %36[-0-9a-f]", r->uuid) != 1)
		r->uuid[0] = '\0';
	return true;
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
	print(file, r);
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
	bool whole = scan(file, r);
	fclose(file);
	return whole ? 0 : fault_set(f, -EBADMSG, "%s is damaged", path);
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return !stat(a, &sa) && !stat(b, &sb) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

bool record_is_of(const struct record *r, const char *socket, const char *domain)
{
	static const char prefix[] = "domain ";

	if (socket)
		return is_same_file(r->socket, socket);
	if (!domain || !*domain)
		return false;
	return !strcmp(r->uuid, domain) || (!strncmp(r->socket, prefix, sizeof(prefix) - 1) &&
					    !strcmp(r->socket + sizeof(prefix) - 1, domain));
}

/* Whether this name in the run directory is the note of a process that lives. */
static bool is_note(const char *name, struct holder *qemu)
{
	struct fault ignored;
	uint64_t started;
	int pid, length = 0;

	return sscanf(name, "restore-%d-%" SCNu64 "%n", &pid, &started, &length) == 2 &&
	       !name[length] && !holder_of(pid, qemu, &ignored) && qemu->started == started;
}

/* The same, of one with that monitor. */
static bool is_note_of(const char *name, const char *socket, struct holder *qemu, struct record *r)
{
	struct fault ignored;

	return is_note(name, qemu) && !record_read(qemu, r, &ignored) &&
	       record_is_of(r, socket, NULL);
}

int record_find(const char *socket, struct holder *qemu, struct record *r, struct fault *f)
{
	char folder[96];
	bool found = false;

	if (run_directory(folder, f) < 0)
		return f->code;
	DIR *directory = opendir(folder);
	if (!directory)
		return fault_errno(f, -errno, "list %s", folder);
	for (struct dirent *d; !found && (d = readdir(directory));)
		found = is_note_of(d->d_name, socket, qemu, r);
	closedir(directory);
	return found ? 0
		     : fault_set(f, -ENOENT,
				 "there is no note in %s of what QEMU at %s is restored from",
				 folder, socket);
}

void record_remove(const struct holder *qemu)
{
	char path[PATH_BYTES];
	struct fault ignored;

	if (!path_of(qemu, path, &ignored))
		unlink(path);
	if (!record_monitor_path(qemu, path, &ignored)) /* of a keeper that was killed */
		unlink(path);
}

int record_each(int (*each)(void *context, const struct holder *qemu, const struct record *r,
			    struct fault *f),
		void *context, struct fault *f)
{
	char folder[96];
	struct dirent *d;
	struct holder qemu;
	struct record record;
	int r = run_directory(folder, f);
	DIR *directory = r < 0 ? NULL : opendir(folder);

	if (!directory)
		return r < 0 ? r : fault_errno(f, -errno, "list %s", folder);
	while (!r && (d = readdir(directory))) {
		if (!is_note(d->d_name, &qemu))
			continue;
		r = record_read(&qemu, &record, f);
		if (!r)
			r = each(context, &qemu, &record, f);
		else if (r == -ENOENT) /* complete just now */
			r = 0;
	}
	closedir(directory);
	return r;
}

const struct fault *record_explain(struct hypervisor *h, struct fault *f)
{
	struct fault ignored;
	struct holder qemu;
	struct record record;

	if (f->code == -EPERM && h && !holder_of(hypervisor_pid(h), &qemu, &ignored) &&
	    !record_read(&qemu, &record, &ignored)) {
		size_t end = strlen(f->text);

		snprintf(f->text + end, sizeof(f->text) - end, " (%u %% is)", record.percent);
	}
	return f;
}
