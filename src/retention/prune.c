/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deletes what no rule keeps, oldest first. Nothing is deleted before the whole list is known, and
 * nothing by a list that could not be read to its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmguard/retention.h"

struct pruning {
	struct store *store;
	const char *guest;
	struct image *image;		 /* the caller's, or NULL: */
	struct store_image *store_image; /* opened for the first that goes */
	struct retention_choice *choices;
	size_t count, room;
};

static int copy_disks(struct disk_list *to, const struct manifest *m)
{
	size_t bytes = m ? m->disks.count * sizeof(*to->disks) : 0;

	*to = (struct disk_list){0};
	if (!bytes)
		return 0;
	to->disks = malloc(bytes);
	if (!to->disks)
		return -ENOMEM;
	to->count = m->disks.count;
	memcpy(to->disks, m->disks.disks, bytes);
	return 0;
}

static int add_choice(void *context, const struct listed_checkpoint *l)
{
	struct pruning *p = context;

	if (p->count == p->room) {
		size_t room = p->room ? p->room * 2 : 64;
		void *choices = realloc(p->choices, room * sizeof(*p->choices));

		if (!choices)
			return -ENOMEM;
		p->choices = choices;
		p->room = room;
	}
	struct disk_list disks;
	int r = copy_disks(&disks, l->manifest);
	if (r < 0)
		return r;
	p->choices[p->count++] = (struct retention_choice){
		.id = l->id,
		.time_ms = l->manifest ? l->manifest->time_ms : 0,
		.is_protected = l->is_protected,
		.is_damaged = !l->manifest,
		.is_held = l->holder_count > 0,
		.disks = disks,
	};
	return 0;
}

static int delete_choice(struct pruning *p, const struct retention_choice *c, struct fault *f)
{
	if (p->image)
		return image_delete(p->image, c->id.number, f);
	return store_remove(p->store_image, c->id, f);
}

static int open_image(struct pruning *p, struct fault *f)
{
	if (p->image || p->store_image)
		return 0;
	return store_image_open(p->store, p->guest, STORE_WRITE, NULL, &p->store_image, f);
}

/*
 * -EBUSY from open_image() is about all of them: somebody else writes. From delete_choice() it is
 * about this one, which somebody reads, or has protected or held a moment ago: it is left. What is
 * gone already is as wanted.
 */
static int let_go(struct pruning *p, struct retention_choice *c, struct fault *f)
{
	int r = open_image(p, f);

	if (r < 0)
		return r;
	r = delete_choice(p, c, f);
	if (r == -EBUSY)
		c->reason = "in use";
	return r == -EBUSY || r == -ENOENT ? 0 : r;
}

static int prune_all(struct pruning *p, const struct prune_options *options, struct fault *f)
{
	for (size_t i = 0; i < p->count; i++) {
		struct retention_choice *c = &p->choices[i];
		int r = c->reason || options->dry_run ? 0 : let_go(p, c, f);

		if (r < 0)
			return fault_wrap(f, "delete checkpoint %" PRIu64, c->id.number);
		r = options->each ? options->each(options->context, c) : 0;
		if (r < 0)
			return fault_errno(f, r, "after checkpoint %" PRIu64, c->id.number);
	}
	return 0;
}

int retention_prune(struct store *s, const char *guest, struct image *image,
		    const struct prune_options *options, struct fault *f)
{
	struct pruning p = {.store = s, .guest = guest, .image = image};

	if (!retention_is_set(&options->rules))
		return fault_set(f, -EINVAL,
				 "prune %s: no rule says what is kept, which would delete all",
				 guest);
	int r = checkpoint_list(s, guest, add_choice, &p, f);
	if (!r) {
		retention_choose(&options->rules, p.choices, p.count);
		r = prune_all(&p, options, f);
	}
	store_image_close(p.store_image);
	for (size_t i = 0; i < p.count; i++)
		disk_list_clear(&p.choices[i].disks);
	free(p.choices);
	return r < 0 ? fault_wrap(f, "prune %s", guest) : 0;
}
