/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard delete: forgets a checkpoint, or a guest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "verb.h"

/* The disks of what is to be deleted, which is not there to be asked afterwards. */
struct doomed {
	uint64_t number; /* 0: all */
	struct disk_list disks;
};

static int note_disks(void *context, const struct listed_checkpoint *l)
{
	struct doomed *d = context;

	if (!l->manifest || (d->number && d->number != l->id.number))
		return 0;
	const struct disk_list *more = &l->manifest->disks;
	void *disks = reallocarray(d->disks.disks, d->disks.count + more->count + 1,
				   sizeof(*d->disks.disks));
	if (!disks)
		return -ENOMEM;
	d->disks.disks = disks;
	if (more->count)
		memcpy(d->disks.disks + d->disks.count, more->disks,
		       more->count * sizeof(*more->disks));
	d->disks.count += more->count;
	return 0;
}

static int delete_target(const struct arguments *a, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	struct doomed doomed = {0};
	struct fault unread;
	struct target target;
	int r = parse_target(a->rest[0], &target, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	doomed.number = target.number;
	int listed = r ? r : checkpoint_list(store, target.guest, note_disks, &doomed, &unread);
	if (!r)
		r = checkpoint_delete(store, target.guest, target.number, f);
	if (!r && listed < 0)
		fprintf(stderr,
			"vmguard: whether %s has snapshots of disks cannot be read, they stay: "
			"%s\n",
			a->rest[0], unread.text);
	if (!r)
		leftovers_remove(target.guest, &doomed.disks, NULL, tell_fault, NULL);
	disk_list_clear(&doomed.disks);
	return r < 0 ? fault_wrap(f, "delete %s", a->rest[0]) : 0;
}

static int delete_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_delete, "store key-file", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1)
		return usage_error(&verb_delete, "one NAME or NAME@N is needed");
	return delete_target(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_delete = {
	.name = "delete",
	.summary = "Deletes a checkpoint, or all of a guest's.",
	.usage = "--store URI NAME[@N] [--key-file FILE]",
	.help = HELP_STORE "  NAME@N            this checkpoint\n"
			   "  NAME              all checkpoints of the guest\n" HELP_KEY,
	.run = delete_run,
};
