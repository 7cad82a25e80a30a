/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disks of a guest that is restored: at the checkpoint like its memory, before it runs. Memory
 * that goes on with newer disks ruins them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "restored.h"
#include "vmguard/clock.h"
#include "vmguard/definition.h"

static const char *const ways[] = {"rollback", "clone", "keep"};

bool restored_disks_is_way(const char *text)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i], text))
			return true;
	return false;
}

static const struct disk_list *disks_of(const struct source *source)
{
	return &checkpoint_manifest(source->checkpoint)->disks;
}

/* ---- rollback ---------------------------------------------------------------------------- */

static void tell_wait(void *restored, const struct disk *d, const char *who)
{
	(void)restored;
	progress_wipe();
	fprintf(stderr,
		"vmguard: %s has %s open: waiting for that to end, a client that is dead is given "
		"up by Ceph after half a minute\n",
		who, d->source);
}

static void draw(void *restored, const struct disk *d, unsigned permille)
{
	const struct restored *r = restored;
	char what[STORE_NAME_BYTES + 96];

	snprintf(what, sizeof(what), "roll back %s of %s", d->target, r->target.guest);
	progress_draw(&(struct progress_bar){.what = what, .total = 1000, .done = permille});
}

static int roll_back(struct restored *r, const struct disk_list *disks, struct fault *f)
{
	const struct disks_return how = {
		.newer = r->arguments->yes,
		.waits = tell_wait,
		.progress = draw,
		.context = r,
	};

	return disks_roll_back(disks, &how, f);
}

/* ---- clones ------------------------------------------------------------------------------ */

static int clone_them(struct restored *r, const struct disk_list *disks, struct fault *f)
{
	char suffix[32];

	snprintf(suffix, sizeof(suffix), "at-%" PRIu64, r->number);
	int result = disks_clone(disks, suffix, &r->clones, f);
	if (!result)
		result = definition_change(r->domain.xml, &r->clones, NULL, &r->xml, f);
	if (!result)
		r->domain.xml = r->xml;
	return result;
}

void restored_disks_clear(struct restored *r)
{
	struct fault f;

	if (!r->result.runs && disks_remove_clones(&r->clones, &f) < 0)
		fprintf(stderr, "vmguard: a clone for a guest that never ran stays: %s\n", f.text);
	disk_list_clear(&r->clones);
	free(give(r->xml));
}

/* ---- either ------------------------------------------------------------------------------ */

int restored_disks(struct restored *r, const struct source *source, struct fault *f)
{
	const struct disk_list *disks = disks_of(source);
	const char *way = r->arguments->disks ? r->arguments->disks : ways[0];
	int64_t begin_ms = monotonic_ms();
	int result = 0;

	if (!disks->count)
		return 0;
	if (!strcmp(way, "rollback"))
		result = roll_back(r, disks, f);
	else if (!strcmp(way, "clone"))
		result = clone_them(r, disks, f);
	r->disks_ms = monotonic_ms() - begin_ms;
	r->disks = way;
	progress_wipe();
	return result < 0 ? fault_wrap(f, "%s@%" PRIu64, r->target.guest, r->number) : 0;
}

int restored_disks_are_kept(struct restored *r, const struct source *source, struct fault *f)
{
	const char *way = r->arguments->disks ? r->arguments->disks : "";

	if (!disks_of(source)->count)
		return 0;
	r->disks = "keep";
	if (!strcmp(way, "keep"))
		return 0;
	return fault_set(f, -EPERM,
			 "%s@%" PRIu64 " goes with the state of its disks at that moment, and this "
			 "QEMU has them open already: --disks keep says that they are in that "
			 "state, else let vmguard start it (--connect URI, or -- and the command)",
			 r->target.guest, r->number);
}
