/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What checkpoints leave on the guest's disks: snapshots that go after them. */
#include <errno.h>
#include <string.h>

#include "vmguard/retention.h"

struct telling {
	const char *guest;
	void (*tell)(void *context, const struct fault *f);
	void *context;
};

static void tell_left(void *telling, const struct disk *d, const struct fault *why)
{
	const struct telling *t = telling;
	struct fault f = *why;

	fault_wrap(&f,
		   "snapshot %s of disk %s of %s stays until vmguard prune or the guest's next "
		   "checkpoint removes it",
		   d->snapshot, d->target, t->guest);
	t->tell(t->context, &f);
}

void leftovers_remove(const char *guest, const struct disk_list *disks, struct hypervisor *h,
		      void (*tell)(void *context, const struct fault *f), void *context)
{
	struct disk_list list = *disks;
	struct telling telling = {guest, tell, context};

	disks_remove(&list, h, tell_left, &telling);
}

/* ---- orphans ----------------------------------------------------------------------------- */

/* What the checkpoints of a guest say of its disks. */
struct survey {
	struct disk_list disks; /* each once */
	struct checkpoint_id *ids;
	size_t id_count;
	uint32_t *tags;
	size_t tag_count;
};

static void survey_clear(struct survey *s)
{
	disk_list_clear(&s->disks);
	free(s->ids);
	free(s->tags);
}

/* Room for one more at the end of an array, or NULL. */
static void *grow(void **array, size_t *count, size_t bytes)
{
	char *grown = reallocarray(*array, *count + 1, bytes);

	if (!grown)
		return NULL;
	*array = grown;
	return grown + (*count)++ * bytes;
}

static int add_tag(struct survey *s, uint32_t tag)
{
	for (size_t i = 0; i < s->tag_count; i++)
		if (s->tags[i] == tag)
			return 0;
	uint32_t *room = grow((void **)&s->tags, &s->tag_count, sizeof(*room));
	if (!room)
		return -ENOMEM;
	*room = tag;
	return 0;
}

static int add_disk(struct survey *s, const struct disk *d)
{
	struct disk_snapshot_name n;
	int r = disk_snapshot_parse(d->snapshot, &n) ? add_tag(s, n.tag) : 0;

	for (size_t i = 0; !r && i < s->disks.count; i++)
		if (s->disks.disks[i].storage == d->storage &&
		    !strcmp(s->disks.disks[i].source, d->source))
			return 0;
	struct disk *room =
		r ? NULL : grow((void **)&s->disks.disks, &s->disks.count, sizeof(*room));
	if (!room)
		return -ENOMEM;
	*room = *d;
	return 0;
}

static int survey_one(void *survey, const struct listed_checkpoint *l)
{
	struct survey *s = survey;
	struct checkpoint_id *room = grow((void **)&s->ids, &s->id_count, sizeof(*room));
	int r = room ? 0 : -ENOMEM;

	if (!r)
		*room = l->id;
	if (!r && l->manifest)
		r = add_tag(s, l->tag);
	for (size_t i = 0; !r && l->manifest && i < l->manifest->disks.count; i++)
		r = add_disk(s, &l->manifest->disks.disks[i]);
	return r;
}

static void tell_gone(void *leftovers, const struct disk *d)
{
	const struct leftovers *l = leftovers;

	l->each(l->context, d, NULL);
}

static void tell_stays(void *leftovers, const struct disk *d, const struct fault *why)
{
	const struct leftovers *l = leftovers;

	l->each(l->context, d, why);
}

static int remove_orphans(const struct survey *s, const struct leftovers *l, struct fault *f)
{
	struct disk_orphans orphans = {
		.tags = s->tags,
		.tag_count = s->tag_count,
		.kept = s->ids,
		.kept_count = s->id_count,
		.dry_run = l->dry_run,
		.gone = tell_gone,
		.left = tell_stays,
		.context = (void *)l,
	};

	return disks_remove_orphans(&s->disks, NULL, &orphans, f);
}

/* The list is read under the writer's lock: no checkpoint can come to it that it does not name. */
static int survey_and_remove(struct store *s, const char *guest, struct survey *survey,
			     const struct leftovers *l, struct fault *f)
{
	auto_of(store_image_close) struct store_image *lock = NULL;
	int r = store_image_open(s, guest, STORE_WRITE, NULL, &lock, f);

	if (!r)
		r = checkpoint_list(s, guest, survey_one, survey, f);
	if (!r && add_tag(survey, store_first_tag(s, guest)) < 0)
		r = fault_errno(f, -ENOMEM, "the checkpoints of %s", guest);
	return r < 0 ? r : remove_orphans(survey, l, f);
}

int leftovers_prune(struct store *s, const char *guest, const struct leftovers *l, struct fault *f)
{
	struct survey survey = {0};
	int r = checkpoint_list(s, guest, survey_one, &survey, f);
	bool has_disks = survey.disks.count > 0;

	survey_clear(&survey);
	if (r < 0 || !has_disks)
		return r;
	survey = (struct survey){0};
	r = survey_and_remove(s, guest, &survey, l, f);
	survey_clear(&survey);
	return r < 0 ? fault_wrap(f, "look for what is left on the disks of %s", guest) : 0;
}
