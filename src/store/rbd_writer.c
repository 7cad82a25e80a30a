/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock of an image, and who has it.
 *
 * Whoever opens an image to change it first writes a record of himself beside the lock, as an
 * attribute of the image's header object:
 *
 *	rbd_header.<id>   lock.rbd_lock           librbd's: the owner's address
 *	                  watchers                the OSD's: address and client id, end after 30 s
 *	                  vmguard.writer.<client id>.<n>   ours: the process (vmguard/holder.h)
 *
 * so that the next one can tell who holds the lock, and need not wait 30 s for a process of
 * this host that is dead. Not in the image's metadata: each change there is announced to all who
 * watch the image, and a watcher that was killed makes that last 5 s, a commit 25 s. That is
 * also why the dead are fenced off here even where they do not hold the lock.
 *
 *	record -> open (watches) -> fence off the dead -> lock -> ... -> close -> record removed
 *
 * Only a blocklisted client is surely dead to the OSDs: what it sent before it died may be on
 * its way still.
 */
#include "rbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"
#include "rbd_room.h"
#include "vmguard/holder.h"

#define RECORD_PREFIX "vmguard.writer."

enum {
	WATCHERS = 64,
	/* Another host's, which watches the image no more. */
	FORGET_AFTER_S = 3600,
};

struct watchers {
	rbd_image_watcher_t list[WATCHERS];
	size_t count;
	char *owners[4];
	size_t owner_count;
};

static int fault_of(struct rbd_call *c, int code, const char *what)
{
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s", what,
			 c->cluster->location.pool, c->image);
}

int rbd_header_name(struct rbd_call *c, rbd_image_t image, char name[RBD_HEADER_BYTES])
{
	char id[64];
	int r = rbd_get_id(image, id, sizeof(id));

	if (r < 0)
		return fault_of(c, r, "get the id of RBD image");
	snprintf(name, RBD_HEADER_BYTES, "rbd_header.%s", id);
	return 0;
}

int rbd_writer_record(struct rbd_call *c, rbd_image_t image, struct rbd_handle *handle)
{
	static unsigned int serial;
	struct rbd_cluster *cluster = c->cluster;
	char text[HOLDER_BYTES];
	struct holder self;
	int r = rbd_header_name(c, image, handle->header);

	if (r == 0)
		r = holder_of(getpid(), &self, &c->fault);
	if (r < 0)
		return r;
	holder_encode(&self, text);
	snprintf(handle->record, sizeof(handle->record), RECORD_PREFIX "%" PRIu64 ".%u",
		 rados_get_instance_id(cluster->rados),
		 __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED));
	rados_write_op_t op = rados_create_write_op();
	rados_write_op_assert_exists(op);
	rados_write_op_setxattr(op, handle->record, text, strlen(text));
	r = rados_write_op_operate(op, cluster->io, handle->header, NULL, 0);
	rados_release_write_op(op);
	return r < 0 ? fault_of(c, r, "record who opens RBD image") : 0;
}

static int watchers_load(struct rbd_call *c, rbd_image_t image, struct watchers *w)
{
	rbd_lock_mode_t mode;

	w->count = WATCHERS;
	int r = rbd_watchers_list(image, w->list, &w->count);
	if (r < 0) {
		w->count = 0;
		return fault_of(c, r, "list who watches RBD image");
	}
	w->owner_count = sizeof(w->owners) / sizeof(w->owners[0]);
	r = rbd_lock_get_owners(image, &mode, w->owners, &w->owner_count);
	if (r < 0)
		w->owner_count = 0;
	return r < 0 && r != -ENOENT ? fault_of(c, r, "see who has locked RBD image") : 0;
}

static void watchers_clear(struct watchers *w)
{
	rbd_watchers_list_cleanup(w->list, w->count);
	if (w->owner_count)
		rbd_lock_get_owners_cleanup(w->owners, w->owner_count);
}

/* The client of a record's name; 0: it is none. */
static int64_t client_of(const char *name)
{
	size_t prefix = strlen(RECORD_PREFIX);
	int64_t client = 0;

	if (!strncmp(name, RECORD_PREFIX, prefix))
		sscanf(name + prefix, "%" SCNd64, &client);
	return client;
}

static const rbd_image_watcher_t *watcher_of(const struct watchers *w, int64_t client)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->list[i].id == client)
			return &w->list[i];
	return NULL;
}

static bool is_owner(const struct watchers *w, const rbd_image_watcher_t *watcher)
{
	return w->owner_count && !strcmp(w->owners[0], watcher->addr);
}

/* The next record; false: that was the last. The iterator owns the name. */
static bool next_record(rados_xattrs_iter_t records, const char **name, struct holder *holder)
{
	const char *value;
	size_t bytes;

	while (rados_getxattrs_next(records, name, &value, &bytes) == 0 && *name)
		if (client_of(*name) && holder_decode(holder, value, bytes))
			return true;
	return false;
}

static int fault_fence(struct rbd_call *c, int code, const struct holder *holder)
{
	const struct rbd_location *l = &c->cluster->location;
	char who[HOLDER_BYTES];

	holder_describe(holder, who);
	if (code == -EPERM || code == -EACCES)
		return fault_set(
			&c->fault, -EPERM,
			"RBD image %s/%s is locked by %s, which is dead, but client.%s may "
			"not blocklist it: give it the caps mon 'profile rbd'",
			l->pool, c->image, who, l->user);
	rbd_fault(&c->fault, code, l, "blocklist %s, which is dead", who);
	return fault_wrap(&c->fault, "take RBD image %s/%s over", l->pool, c->image);
}

/* Takes from a dead process what it still has of the image. */
static int fence_off(struct rbd_call *c, const struct watchers *w,
		     const rbd_image_watcher_t *watcher, const struct holder *holder)
{
	int r;

	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	if (is_owner(w, watcher)) {
		r = rbd_lock_break(c->opened->image, RBD_LOCK_MODE_EXCLUSIVE, watcher->addr);
		/* Gone in between: someone else was faster. */
		if (r < 0 && r != -ENOENT && r != -EBUSY && r != -EAGAIN)
			return fault_fence(c, r, holder);
	} else if (rados_blocklist_add(c->cluster->rados, watcher->addr, 0) < 0) {
		return 0; /* it only makes us slower */
	}
	/* Our writes must not reach an OSD before the news of the blocklist. */
	r = rados_wait_for_latest_osdmap(c->cluster->rados);
	return r < 0 ? fault_fence(c, r, holder) : 0;
}

/* Whether a record of nobody can go. */
static bool is_forgotten(const struct holder *holder, const rbd_image_watcher_t *watcher)
{
	return !watcher && wall_ms() / 1000 - holder->since_s > FORGET_AFTER_S;
}

static int fence_off_all(struct rbd_call *c, const struct watchers *w, rados_xattrs_iter_t records)
{
	const char *header = c->opened->header, *name;
	struct holder holder;
	int r = 0;

	while (r == 0 && next_record(records, &name, &holder)) {
		const rbd_image_watcher_t *watcher = watcher_of(w, client_of(name));

		holder_await_end(&holder);
		bool dead = holder_life(&holder) == HOLDER_DEAD;
		if (dead && watcher)
			r = fence_off(c, w, watcher, &holder);
		if (r == 0 && (dead || is_forgotten(&holder, watcher))) {
			rbd_room_forget(c->cluster, (uint64_t)client_of(name));
			rados_rmxattr(c->cluster->io, header, name);
		}
	}
	return r;
}

int rbd_writer_fence_dead(struct rbd_call *c)
{
	struct watchers w = {0};
	rados_xattrs_iter_t records;
	int r = watchers_load(c, c->opened->image, &w);

	if (r == 0) {
		r = rados_getxattrs(c->cluster->io, c->opened->header, &records);
		if (r < 0) {
			fault_of(c, r, "read who has opened RBD image");
		} else {
			r = fence_off_all(c, &w, records);
			rados_getxattrs_end(records);
		}
	}
	watchers_clear(&w);
	return r;
}

/* Describes the owner of the lock; false: nothing is known but its address. */
static bool describe_owner(struct rbd_call *c, const struct watchers *w, char text[HOLDER_BYTES])
{
	rados_xattrs_iter_t records;
	struct holder holder;
	const char *name;
	bool found = false;

	if (rados_getxattrs(c->cluster->io, c->opened->header, &records) < 0)
		return false;
	while (!found && next_record(records, &name, &holder)) {
		const rbd_image_watcher_t *watcher = watcher_of(w, client_of(name));

		found = watcher && is_owner(w, watcher);
	}
	rados_getxattrs_end(records);
	if (found)
		holder_describe(&holder, text);
	return found;
}

static int fault_locked(struct rbd_call *c)
{
	struct watchers w = {0};
	char who[HOLDER_BYTES];

	if (watchers_load(c, c->opened->image, &w) < 0 || !describe_owner(c, &w, who))
		snprintf(who, sizeof(who), "the client at %s", w.owner_count ? w.owners[0] : "?");
	watchers_clear(&w);
	return fault_set(&c->fault, -EBUSY,
			 "RBD image %s/%s is being written by %s: stop it there, or fence its host",
			 c->cluster->location.pool, c->image, who);
}

/*
 * librbd asks the holder: a live writer refuses within milliseconds (-EROFS). Where nobody
 * answers it waits until the holder's watch has ended, breaks the lock and blocklists it.
 */
int rbd_writer_lock(struct rbd_call *c)
{
	int r = rbd_writer_fence_dead(c);

	if (r < 0)
		return r;
	rbd_call_extend(c, RBD_LOCK_WAIT_MS);
	r = rbd_lock_acquire(c->opened->image, RBD_LOCK_MODE_EXCLUSIVE);
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	if (r == -EROFS || r == -EBUSY || r == -EAGAIN)
		return fault_locked(c);
	return r < 0 ? fault_of(c, r, "lock RBD image") : 0;
}
