/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who goes on from a commit: locks on the image's header object, which the OSD keeps (cls_lock),
 * so that they outlast their client and need no lock of librbd's.
 *
 *	lock.vmguard.hold.ckpt-<epoch>-<n>    shared: one for each that holds it
 *	                                      exclusive: it is being removed
 *
 * One excludes the other at once, whoever comes first. A lock has a cookie, which is who has it
 * (vmguard/holder.h).
 */
#include "rbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "rbd_fault.h"

#define LOCK_PREFIX "vmguard.hold."

enum {
	ATTEMPTS = 4,
	LIST_BYTES = 4096, /* at first */
	LOCK_BYTES = sizeof(LOCK_PREFIX) + CHECKPOINT_NAME_BYTES,
	/* Whoever died over a removal keeps others from holding the commit for so long. */
	BAR_SECONDS = 300,
};

/* What a commit's lock is called, and where it is. */
struct hold {
	struct checkpoint_id id;
	rados_ioctx_t io;
	char header[RBD_HEADER_BYTES];
	char lock[LOCK_BYTES];
};

/* Who has it: names that end with NUL, one after the other. */
struct lockers {
	bool exclusive;
	size_t count;
	size_t bytes[3];
	char *clients, *cookies, *addresses;
};

static int fault_of(struct rbd_call *c, int code, const char *what, const struct hold *h)
{
	char name[CHECKPOINT_NAME_BYTES];

	checkpoint_name(h->id, name);
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s@%s", what,
			 c->cluster->location.pool, c->image, name);
}

static int find(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id, struct hold *h)
{
	char name[CHECKPOINT_NAME_BYTES];

	checkpoint_name(id, name);
	*h = (struct hold){.id = id, .io = c->cluster->io};
	snprintf(h->lock, sizeof(h->lock), LOCK_PREFIX "%s", name);
	return rbd_header_name(c, image, h->header);
}

static void lockers_clear(struct lockers *l)
{
	free(l->clients);
	free(l->cookies);
	free(l->addresses);
	*l = (struct lockers){0};
}

static bool lockers_make_room(struct lockers *l)
{
	char **const texts[] = {&l->clients, &l->cookies, &l->addresses};
	bool made = true;

	for (size_t i = 0; i < 3; i++) {
		free(*texts[i]);
		l->bytes[i] = l->bytes[i] > LIST_BYTES ? l->bytes[i] : LIST_BYTES;
		*texts[i] = malloc(l->bytes[i]);
		made = made && *texts[i];
	}
	return made;
}

static int lockers_load(struct rbd_call *c, const struct hold *h, struct lockers *l)
{
	char tag[64];
	ssize_t n = -ERANGE;

	*l = (struct lockers){0};
	for (int i = 0; n == -ERANGE && i < ATTEMPTS; i++) {
		size_t tag_bytes = sizeof(tag);
		int exclusive = 0;

		if (lockers_make_room(l))
			n = rados_list_lockers(h->io, h->header, h->lock, &exclusive, tag,
					       &tag_bytes, l->clients, &l->bytes[0], l->cookies,
					       &l->bytes[1], l->addresses, &l->bytes[2]);
		else
			n = -ENOMEM;
		l->exclusive = exclusive;
	}
	l->count = n > 0 ? (size_t)n : 0;
	return n < 0 && n != -ENOENT ? fault_of(c, (int)n, "see who holds", h) : 0;
}

/* The next one of a list. */
static const char *after(const char *text)
{
	return text + strlen(text) + 1;
}

static int drop(struct rbd_call *c, const struct hold *h, const char *client, const char *cookie)
{
	int r = rados_break_lock(h->io, h->header, h->lock, client, cookie);

	return r < 0 && r != -ENOENT ? fault_of(c, r, "release", h) : 0;
}

/* What a cookie that is none of ours says is not known to be dead. */
static struct holder holder_of_cookie(const char *cookie)
{
	struct holder holder;

	if (!holder_decode(&holder, cookie, strlen(cookie)))
		holder = (struct holder){.host = "unknown"};
	return holder;
}

static int fault_removed(struct rbd_call *c, const struct holder *by)
{
	char who[HOLDER_BYTES];

	holder_describe(by, who);
	return fault_set(&c->fault, -EBUSY, "it is being removed by %s", who);
}

/*
 * Drops of those that have the lock what need not be there. -EBUSY: somebody has it, and not as
 * `removing` wants.
 */
static int clear_way(struct rbd_call *c, const struct hold *h, bool removing)
{
	/* The image is named after the guest, behind the prefix. */
	const char *guest = c->image + strlen(c->cluster->location.prefix);
	struct lockers l;
	int r = lockers_load(c, h, &l);
	const char *client = l.clients, *cookie = l.cookies;

	for (size_t i = 0; r == 0 && i < l.count; i++) {
		struct holder holder = holder_of_cookie(cookie);

		rbd_call_extend(c, RBD_LOCK_WAIT_MS);
		holder_await_end(&holder);
		/* Who removes has the image's lock: a bar is of one who had it before and died. */
		if ((l.exclusive && removing) || holder_is_gone(&holder))
			r = drop(c, h, client, cookie);
		else if (l.exclusive)
			r = fault_removed(c, &holder);
		else if (removing)
			r = checkpoint_held_fault(h->id, guest, &holder, &c->fault);
		client = after(client);
		cookie = after(cookie);
	}
	lockers_clear(&l);
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	return r;
}

static int lock(const struct hold *h, const struct holder *holder, bool exclusive)
{
	struct timeval limit = {.tv_sec = BAR_SECONDS};
	char cookie[HOLDER_BYTES];

	holder_encode(holder, cookie);
	int r = exclusive ? rados_lock_exclusive(h->io, h->header, h->lock, cookie, "", &limit, 0)
			  : rados_lock_shared(h->io, h->header, h->lock, cookie, "", "", NULL, 0);
	/* This process has it, but perhaps not in this way. */
	return r == -EEXIST ? -EBUSY : r;
}

static int take(struct rbd_call *c, const struct hold *h, const struct holder *holder,
		bool exclusive)
{
	int r = lock(h, holder, exclusive);

	for (int i = 0; r == -EBUSY && i < ATTEMPTS; i++) {
		r = clear_way(c, h, exclusive);
		if (r < 0)
			return r;
		r = lock(h, holder, exclusive);
	}
	return r < 0 ? fault_of(c, r, "hold", h) : 0;
}

/* 1: c->holder holds it already; with `end`, it does so no longer. */
static int look_for_own(struct rbd_call *c, const struct hold *h, bool end)
{
	struct lockers l;
	int r = lockers_load(c, h, &l);
	const char *client = l.clients, *cookie = l.cookies;
	bool found = false;

	for (size_t i = 0; r == 0 && i < l.count && !l.exclusive; i++) {
		struct holder holder = holder_of_cookie(cookie);

		if (holder_is_same(&holder, &c->holder)) {
			found = true;
			r = end ? drop(c, h, client, cookie) : 0;
		}
		client = after(client);
		cookie = after(cookie);
	}
	lockers_clear(&l);
	return r < 0 ? r : found;
}

static int run_hold(struct rbd_call *c)
{
	char name[CHECKPOINT_NAME_BYTES];
	uint64_t snapshot;
	struct hold h;
	int r = find(c, c->handle->image, c->id, &h);

	if (r < 0)
		return r;
	r = look_for_own(c, &h, !c->count);
	if (r < 0 || r == (int)c->count)
		return r < 0 ? r : 1;
	if (!c->count)
		return 0;
	checkpoint_name(c->id, name);
	if (rbd_snap_get_id(c->handle->image, name, &snapshot) < 0)
		return fault_set(&c->fault, -ENOENT, "there is no %s/%s@%s",
				 c->cluster->location.pool, c->image, name);
	return take(c, &h, &c->holder, false);
}

int rbd_store_hold(struct store_image *base, struct checkpoint_id id, const struct holder *holder,
		   bool on, struct fault *f)
{
	struct rbd_call c = rbd_image_call(rbd_image_of(base), run_hold);

	c.id = id;
	c.holder = *holder;
	c.count = on;
	int r = rbd_call(&c, f);
	return r < 0 ? fault_wrap(f, "%s checkpoint %" PRIu64 " of %s", on ? "hold" : "release",
				  id.number, base->guest)
		     : r;
}

static int run_holders(struct rbd_call *c)
{
	struct hold h;
	struct lockers l = {0};
	int r = find(c, c->handle->image, c->id, &h);

	if (r == 0)
		r = lockers_load(c, &h, &l);
	if (r == 0)
		c->holders = calloc(l.count + 1, sizeof(*c->holders));
	const char *cookie = l.cookies;
	for (size_t i = 0; c->holders && i < l.count && !l.exclusive; i++) {
		c->holders[c->found] = holder_of_cookie(cookie);
		c->found += !holder_is_gone(&c->holders[c->found]);
		cookie = after(cookie);
	}
	lockers_clear(&l);
	return r < 0	    ? r
	       : c->holders ? 0
			    : fault_errno(&c->fault, -ENOMEM, "list who holds a checkpoint");
}

int rbd_store_holders(struct store_image *base, struct checkpoint_id id, struct holder **holders,
		      size_t *count, struct fault *f)
{
	struct rbd_call c = rbd_image_call(rbd_image_of(base), run_holders);

	c.id = id;
	int r = rbd_call(&c, f);
	*holders = r < 0 ? NULL : c.holders;
	*count = r < 0 ? 0 : c.found;
	return r < 0 ? fault_wrap(f, "see who holds checkpoint %" PRIu64 " of %s", id.number,
				  base->guest)
		     : 0;
}

int rbd_hold_bar(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id)
{
	struct holder self;
	struct hold h;
	int r = find(c, image, id, &h);

	if (r == 0)
		r = holder_of(getpid(), &self, &c->fault);
	return r < 0 ? r : take(c, &h, &self, true);
}

void rbd_hold_allow(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id)
{
	struct fault why = c->fault;
	struct hold h;

	if (find(c, image, id, &h) == 0)
		clear_way(c, &h, true);
	c->fault = why;
}

void rbd_hold_forget(struct rbd_call *c, rbd_image_t image, struct checkpoint_id id)
{
	char attribute[sizeof("lock.") + LOCK_BYTES];
	struct hold h;

	/* To unlock it would leave an empty one behind, of each commit there ever was. */
	if (find(c, image, id, &h) < 0)
		return;
	snprintf(attribute, sizeof(attribute), "lock.%s", h.lock);
	rados_rmxattr(h.io, h.header, attribute);
}
