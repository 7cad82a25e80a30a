/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disks of a guest go back to a checkpoint, or others take their place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disks/file_return.h"
#include "disks/rbd_return.h"

enum { NAMES_BYTES = 200 };

/* ---- rolling back ------------------------------------------------------------------------ */

static int look(const struct disk *d, const struct disks_return *how, bool *newer, struct fault *f)
{
	*newer = true;
	return d->storage == DISK_RBD ? rbd_return_look(d, how, newer, f) : file_return_look(d, f);
}

static void add_name(char names[NAMES_BYTES], const char *name)
{
	size_t end = strlen(names);

	snprintf(names + end, NAMES_BYTES - end, "%s%s", end ? ", " : "", name);
}

static int look_at_all(const struct disk_list *list, const struct disks_return *how,
		       struct fault *f)
{
	char names[NAMES_BYTES] = "";
	bool newer;

	for (size_t i = 0; i < list->count; i++) {
		if (look(&list->disks[i], how, &newer, f) < 0)
			return f->code;
		if (newer)
			add_name(names, list->disks[i].target);
	}
	if (!names[0] || how->newer)
		return 0;
	return fault_set(f, -EPERM,
			 "what was written to the guest's disks (%s) after the checkpoint would be "
			 "lost: --yes, or --disks clone to leave them as they are",
			 names);
}

int disks_roll_back(const struct disk_list *list, const struct disks_return *how, struct fault *f)
{
	int r = look_at_all(list, how, f);

	for (size_t i = 0; !r && i < list->count; i++) {
		const struct disk *d = &list->disks[i];

		r = d->storage == DISK_RBD ? rbd_return_roll_back(d, how, f)
					   : file_return_roll_back(d, f);
	}
	return r;
}

/* ---- clones ------------------------------------------------------------------------------ */

/* The suffix stands before a file's ending. -ENAMETOOLONG. */
static int name_clone(const struct disk *d, const char *suffix, struct disk *clone, struct fault *f)
{
	const char *slash = strrchr(d->source, '/');
	const char *dot = d->storage == DISK_FILE ? strrchr(d->source, '.') : NULL;
	int stem = dot && dot > slash + 1 ? (int)(dot - d->source) : (int)strlen(d->source);

	*clone = *d;
	clone->snapshot[0] = clone->node[0] = '\0';
	int length = snprintf(clone->source, sizeof(clone->source), "%.*s-%s%s", stem, d->source,
			      suffix, d->source + stem);
	if (length < (int)sizeof(clone->source))
		return 0;
	return fault_set(f, -ENAMETOOLONG, "disk %s: no room for the name of its clone", d->target);
}

int disks_name_clones(const struct disk_list *list, const char *suffix, struct disk_list *clones,
		      struct fault *f)
{
	int r = 0;

	*clones = (struct disk_list){.disks = calloc(list->count + 1, sizeof(*clones->disks))};
	if (!clones->disks)
		return fault_errno(f, -ENOMEM, "clone the disks");
	for (; !r && clones->count < list->count; clones->count++)
		r = name_clone(&list->disks[clones->count], suffix, &clones->disks[clones->count],
			       f);
	if (r < 0)
		disk_list_clear(clones);
	return r;
}

static int clone_one(const struct disk *d, const struct disk *clone, struct fault *f)
{
	return d->storage == DISK_RBD ? rbd_return_clone(d, clone->source, f)
				      : file_return_clone(d, clone->source, f);
}

int disks_clone(const struct disk_list *list, const char *suffix, struct disk_list *clones,
		struct fault *f)
{
	struct fault ignored;
	size_t made = 0;
	int r = disks_name_clones(list, suffix, clones, f);

	if (r < 0)
		return r;
	for (; !r && made < list->count; made += !r)
		r = clone_one(&list->disks[made], &clones->disks[made], f);
	if (r < 0) {
		clones->count = made;
		disks_remove_clones(clones, &ignored);
		disk_list_clear(clones);
	}
	return r;
}

int disks_remove_clones(const struct disk_list *clones, struct fault *f)
{
	struct fault one;
	int first = 0;

	for (size_t i = 0; i < clones->count; i++) {
		const struct disk *d = &clones->disks[i];
		int r = d->storage == DISK_RBD ? rbd_return_remove_clone(d, &one)
					       : file_return_remove_clone(d, &one);

		if (r < 0 && !first) {
			first = r;
			*f = one;
		}
	}
	return first;
}
