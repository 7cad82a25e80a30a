/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commits of the RBD backend.
 *
 *	commit   flush -> snapshot "new-<random>" -> open it -> rename to "ckpt-<epoch>-<n>"
 *	                  in time? otherwise                    ^ from here on it exists
 *	                  it stays "new-…"
 */
#include "rbd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "rbd_fault.h"
#include "rbd_room.h"
#include "vmguard/rbd.h"

#define NEW_PREFIX "new-"

/* The snapshots of an open image. */
struct snapshots {
	rbd_snap_info_t *items;
	int count; /* as rbd_snap_list_end() leaves it to us */
};

static int fault_of(struct rbd_call *c, int code, const char *what, const char *snapshot)
{
	/* How librbd says that it has no lock any more. */
	if (code == -EROFS)
		code = -ESHUTDOWN;
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s@%s", what,
			 c->cluster->location.pool, c->image, snapshot);
}

static int snapshots_load(struct rbd_call *c, rbd_image_t image, struct snapshots *s)
{
	int room = 64;

	do {
		int wanted = room;

		free(s->items);
		s->items = calloc((size_t)room, sizeof(*s->items));
		s->count = s->items ? rbd_snap_list(image, s->items, &wanted) : -ENOMEM;
		room = wanted;
	} while (s->count == -ERANGE);
	if (s->count >= 0)
		return 0;
	free(give(s->items));
	return fault_of(c, s->count, "list snapshots of", "");
}

static void snapshots_clear(struct snapshots *s)
{
	if (s->items)
		rbd_snap_list_end(s->items);
	free(s->items);
}

/* Puts the ids of all commits into c->ids, oldest first. */
static int load_ids(struct rbd_call *c, rbd_image_t image)
{
	struct snapshots s = {0};
	int r = snapshots_load(c, image, &s);

	if (r < 0)
		return r;
	c->ids = calloc((size_t)s.count + 1, sizeof(*c->ids));
	for (int i = 0; c->ids && i < s.count; i++)
		if (checkpoint_parse(s.items[i].name, &c->ids[c->found]))
			c->found++;
	snapshots_clear(&s);
	if (!c->ids)
		return fault_errno(&c->fault, -ENOMEM, "list checkpoints");
	qsort(c->ids, c->found, sizeof(*c->ids), checkpoint_compare);
	return 0;
}

static int run_checkpoints(struct rbd_call *c)
{
	if (c->handle)
		return load_ids(c, c->handle->image);
	/* A reader is not told of new snapshots: look afresh. */
	int r = rbd_open_reader(c);
	if (r < 0)
		return r;
	r = load_ids(c, c->opened->image);
	rbd_handle_unref(give(c->opened));
	return r;
}

int rbd_store_checkpoints(struct store_image *base, struct checkpoint_id **ids, size_t *count,
			  struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = rbd_image_call(image, run_checkpoints);

	if (!image->writable)
		c.handle = NULL;
	int r = rbd_call(&c, f);
	*ids = c.ids;
	*count = c.found;
	if (r < 0) {
		free(c.ids);
		*ids = NULL;
		*count = 0;
		return fault_wrap(f, "list the checkpoints of %s", base->guest);
	}
	return 0;
}

/*
 * Whether a step that answered `r` really did what it says: librbd tries a second time
 * after an operation has timed out and may then take what it finds for its own success.
 */
static int distrust_late(const struct rbd_call *c, int r, int64_t started_ms)
{
	bool late = monotonic_ms() - started_ms >= (int64_t)c->timeout_seconds * 1000;

	return r == 0 && late ? -ETIMEDOUT : r;
}

static int create_snapshot(struct rbd_call *c, const char *name)
{
	int64_t started_ms = monotonic_ms();
	/* Nobody else writes, so there is nobody to quiesce. */
	int r = rbd_snap_create2(c->handle->image, name, RBD_SNAP_CREATE_SKIP_QUIESCE, NULL, NULL);

	r = distrust_late(c, r, started_ms);
	return r < 0 ? fault_of(c, r, "create snapshot", name) : 0;
}

static int rename_snapshot(struct rbd_call *c, const char *from, const char *to)
{
	int64_t started_ms = monotonic_ms();
	int r = rbd_snap_rename(c->handle->image, from, to);

	r = distrust_late(c, r, started_ms);
	return r < 0 ? fault_of(c, r, "rename snapshot", from) : 0;
}

static int remove_snapshot(struct rbd_call *c, rbd_image_t image, const char *name)
{
	int64_t started_ms = monotonic_ms();
	int r = distrust_late(c, rbd_snap_remove(image, name), started_ms);

	if (r == -EBUSY && rbd_check_protected(c, image, name) == -EBUSY)
		return r;
	return r < 0 ? fault_of(c, r, "remove snapshot", name) : 0;
}

/*
 * Whether a new snapshot can be opened. When the pool is full librbd (16.2) cannot store the
 * snapshot's object map, says that all went well, and nobody can open it, ever.
 */
static int check_snapshot(struct rbd_call *c, const char *name)
{
	rbd_image_t image;
	int r = rbd_open_image(c->cluster->rados, c->cluster->io, c->image, name, false, &image);

	if (r == 0) {
		rbd_close(image);
		return 0;
	}
	int room = rbd_room_check(c->cluster);
	fault_of(c, room < 0 ? room : r, "open new snapshot", name);
	/* Else the next writer does it. */
	rbd_snap_remove(c->handle->image, name);
	return c->fault.code;
}

static int run_commit(struct rbd_call *c)
{
	char name[CHECKPOINT_NAME_BYTES], new[sizeof(NEW_PREFIX) + 16];
	uint64_t random;
	int r = load_ids(c, c->handle->image);

	if (r == 0)
		r = checkpoint_check_next(c->id, c->ids, c->found, &c->fault);
	free(give(c->ids));
	if (r < 0)
		return r;
	/* Never the same name twice: see rbd.h, an earlier one may still appear. */
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return fault_errno(&c->fault, -errno, "get a random number");
	snprintf(new, sizeof(new), NEW_PREFIX "%016" PRIx64, random);
	checkpoint_name(c->id, name);
	r = rbd_flush(c->handle->image);
	if (r < 0)
		return fault_of(c, r, "flush", "");
	r = create_snapshot(c, new);
	if (r == 0)
		r = check_snapshot(c, new);
	return r < 0 ? r : rename_snapshot(c, new, name);
}

/* After a commit that may have happened or not, only opening the image again tells. */
static void give_up(struct rbd_store_image *image)
{
	pthread_mutex_lock(&image->handle->mutex);
	image->handle->lost = true;
	pthread_mutex_unlock(&image->handle->mutex);
}

int rbd_store_commit(struct store_image *base, struct checkpoint_id id, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = rbd_image_call(image, run_commit);
	int r = rbd_check_lost(image, f);

	assert(image->writable);
	c.id = id;
	if (r == 0)
		r = rbd_call(&c, f);
	if (r == -ETIMEDOUT)
		give_up(image);
	if (r < 0)
		return fault_wrap(f, "commit checkpoint %" PRIu64 " of %s", id.number, base->guest);
	return 0;
}

static int run_remove(struct rbd_call *c)
{
	char name[CHECKPOINT_NAME_BYTES];

	checkpoint_name(c->id, name);
	int r = rbd_hold_bar(c, c->handle->image, c->id);
	if (r < 0)
		return r;
	r = remove_snapshot(c, c->handle->image, name);
	if (r < 0 && r != -ENOENT)
		rbd_hold_allow(c, c->handle->image, c->id);
	else
		rbd_hold_forget(c, c->handle->image, c->id);
	return r;
}

int rbd_store_remove(struct store_image *base, struct checkpoint_id id, struct fault *f)
{
	struct rbd_store_image *image = rbd_image_of(base);
	struct rbd_call c = rbd_image_call(image, run_remove);
	int r = rbd_check_lost(image, f);

	assert(image->writable);
	c.id = id;
	if (r == 0)
		r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "remove checkpoint %" PRIu64 " of %s", id.number, base->guest)
		     : 0;
}

static bool is_unfinished(const char *name)
{
	size_t prefix = strlen(NEW_PREFIX);

	return !strncmp(name, NEW_PREFIX, prefix) &&
	       strspn(name + prefix, "0123456789abcdef") == 16 && !name[prefix + 16];
}

/*
 * librbd removes a snapshot by way of its trash, where it has a UUID for a name and is known by its
 * id alone; there it stays when the client dies meanwhile, with all its data.
 */
static bool is_half_removed(rbd_image_t image, const rbd_snap_info_t *s)
{
	rbd_snap_namespace_type_t type;

	return rbd_snap_get_namespace_type(image, s->id, &type) == 0 &&
	       type == RBD_SNAP_NAMESPACE_TYPE_TRASH;
}

static int check_none_protected(struct rbd_call *c, rbd_image_t image, const struct snapshots *s)
{
	int r = 0;

	for (int i = 0; r == 0 && i < s->count; i++)
		if (!is_half_removed(image, &s->items[i]))
			r = rbd_check_protected(c, image, s->items[i].name);
	return r;
}

static void allow_holds(struct rbd_call *c, rbd_image_t image, const struct snapshots *s, int count)
{
	struct checkpoint_id id;

	for (int i = 0; i < count; i++)
		if (checkpoint_parse(s->items[i].name, &id))
			rbd_hold_allow(c, image, id);
}

/* All, before the first goes. */
static int bar_holds(struct rbd_call *c, rbd_image_t image, const struct snapshots *s)
{
	struct checkpoint_id id;
	int r = 0;

	for (int i = 0; r == 0 && i < s->count; i++) {
		if (checkpoint_parse(s->items[i].name, &id))
			r = rbd_hold_bar(c, image, id);
		if (r < 0)
			allow_holds(c, image, s, i);
	}
	return r;
}

static int remove_by_id(struct rbd_call *c, rbd_image_t image, const rbd_snap_info_t *s)
{
	int r = rbd_snap_remove_by_id(image, s->id);

	return r < 0 && r != -ENOENT ? fault_of(c, r, "remove half-removed snapshot", s->name) : 0;
}

int rbd_remove_snapshots(struct rbd_call *c, rbd_image_t image, bool all)
{
	struct snapshots s = {0};
	int r = snapshots_load(c, image, &s);

	if (r == 0 && all)
		r = check_none_protected(c, image, &s);
	/* The bars go with the image, or end in time where that fails. */
	if (r == 0 && all)
		r = bar_holds(c, image, &s);
	/* Oldest first: half-way through, the last checkpoint still is the last one. */
	for (int i = 0; r == 0 && i < s.count; i++) {
		bool half = is_half_removed(image, &s.items[i]);

		if (!all && !half && !is_unfinished(s.items[i].name))
			continue;
		rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
		r = half ? remove_by_id(c, image, &s.items[i])
			 : remove_snapshot(c, image, s.items[i].name);
	}
	snapshots_clear(&s);
	return r;
}
