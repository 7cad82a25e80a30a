/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drill_note.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/holder.h"
#include "vmguard/hypervisor.h"

enum { PATH_BYTES = 192, DISKS_MAX = 1024 };

/* A process id comes again; with its start it does not. */
static int own_path(char path[PATH_BYTES], struct fault *f)
{
	char folder[96];
	struct holder self;
	int r = holder_of(getpid(), &self, f);

	if (!r)
		r = run_directory(folder, f);
	if (!r)
		snprintf(path, PATH_BYTES, "%s/drill-%" PRId64 "-%" PRIu64, folder, self.pid,
			 self.started);
	return r;
}

/* ---- its text: a line for each thing ----------------------------------------------------- */

static void print(FILE *file, const struct drill_note *n)
{
	const struct copy *c = &n->copy;

	fprintf(file, "%s\n%s\n%s\n%s\n%s\n%zu\n", n->guest, n->uri, c->name, c->uuid, c->nvram,
		c->disks.count);
	for (size_t i = 0; i < c->disks.count; i++) {
		const struct disk *d = &c->disks.disks[i];

		fprintf(file, "%d\n%s\n%s\n%s\n%s\n", d->storage == DISK_RBD, d->target, d->source,
			d->conf, d->user);
	}
}

/* false: there is none, or no room for it. */
static bool read_line(FILE *file, char *text, size_t room)
{
	auto_free char *line = NULL;
	size_t space = 0;
	ssize_t length = getline(&line, &space, file);

	if (length < 1 || line[length - 1] != '\n' || (size_t)length > room)
		return false;
	snprintf(text, room, "%.*s", (int)length - 1, line);
	return true;
}

static bool read_disk(FILE *file, struct disk *d)
{
	char is_rbd[4];
	bool whole = read_line(file, is_rbd, sizeof(is_rbd)) &&
		     read_line(file, d->target, sizeof(d->target)) &&
		     read_line(file, d->source, sizeof(d->source)) &&
		     read_line(file, d->conf, sizeof(d->conf)) &&
		     read_line(file, d->user, sizeof(d->user));

	d->storage = whole && is_rbd[0] == '1' ? DISK_RBD : DISK_FILE;
	return whole;
}

static bool read_disks(FILE *file, struct disk_list *list)
{
	char number[24];
	uint64_t count;

	if (!read_line(file, number, sizeof(number)) || !parse_count(number, &count) ||
	    count > DISKS_MAX)
		return false;
	list->disks = calloc(count + 1, sizeof(*list->disks));
	for (; list->disks && list->count < count; list->count++)
		if (!read_disk(file, &list->disks[list->count]))
			return false;
	return list->disks;
}

/* What has no word of ours in its name is not a drill's, whatever the file says. */
static bool is_ours(const struct copy *c)
{
	bool ours =
		strstr(c->name, "-" DRILL_WORD) && (!c->nvram[0] || strstr(c->nvram, DRILL_WORD));

	for (size_t i = 0; i < c->disks.count; i++)
		ours = ours && strstr(c->disks.disks[i].source, "-" DRILL_WORD);
	return ours;
}

static bool scan(FILE *file, struct drill_note *n)
{
	struct copy *c = &n->copy;

	return read_line(file, n->guest, sizeof(n->guest)) &&
	       read_line(file, n->uri, sizeof(n->uri)) &&
	       read_line(file, c->name, sizeof(c->name)) &&
	       read_line(file, c->uuid, sizeof(c->uuid)) &&
	       read_line(file, c->nvram, sizeof(c->nvram)) && read_disks(file, &c->disks) &&
	       is_ours(c);
}

int drill_note_write(const struct drill_note *n, struct fault *f)
{
	char path[PATH_BYTES], part[PATH_BYTES + 8];

	if (own_path(path, f) < 0)
		return f->code;
	snprintf(part, sizeof(part), "%s.part", path);
	FILE *file = fopen(part, "we");
	if (!file)
		return fault_errno(f, -errno, "write %s", part);
	print(file, n);
	if (fclose(file) || rename(part, path) < 0)
		return fault_errno(f, -errno, "write %s", path);
	return 0;
}

void drill_note_remove(void)
{
	char path[PATH_BYTES];
	struct fault ignored;

	if (!own_path(path, &ignored))
		unlink(path);
}

/* ---- those of the dead ------------------------------------------------------------------- */

static bool is_of_a_dead(const char *name)
{
	struct fault ignored;
	struct holder drill;
	uint64_t started;
	int pid, length = 0;

	return sscanf(name, "drill-%d-%" SCNu64 "%n", &pid, &started, &length) == 2 &&
	       !name[length] && (holder_of(pid, &drill, &ignored) < 0 || drill.started != started);
}

struct search {
	const char *guest;
	int (*each)(void *context, const struct drill_note *n, struct fault *f);
	void *context;
};

static int look(const struct search *s, const char *path, struct fault *f)
{
	struct drill_note n = {0};
	FILE *file = fopen(path, "re");

	if (!file)
		return errno == ENOENT ? 0 : fault_errno(f, -errno, "read %s", path);
	int r = scan(file, &n) ? 0 : fault_set(f, -EBADMSG, "%s is damaged", path);
	fclose(file);
	bool is_meant = !r && !strcmp(n.guest, s->guest);
	if (is_meant)
		r = s->each(s->context, &n, f);
	if (is_meant && !r)
		unlink(path);
	copy_clear(&n.copy);
	return r;
}

int drill_note_each(const char *guest,
		    int (*each)(void *context, const struct drill_note *n, struct fault *f),
		    void *context, struct fault *f)
{
	const struct search s = {guest, each, context};
	char folder[96], path[PATH_BYTES + NAME_MAX];
	struct dirent *d;
	int r = run_directory(folder, f);
	DIR *directory = r < 0 ? NULL : opendir(folder);

	if (!directory)
		return r < 0 ? r : fault_errno(f, -errno, "list %s", folder);
	while (!r && (d = readdir(directory))) {
		if (!is_of_a_dead(d->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		r = look(&s, path, f);
	}
	closedir(directory);
	return r;
}
