/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * librbd passes on to QEMU, which has the image locked, what only the owner of the lock may do. It
 * may wait for ever, so each call runs in a thread with a deadline and with a connection of its
 * own.
 */
#include "disks/rbd_snapshots.h"

#include <errno.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/deadline.h"
#include "vmguard/hypervisor.h"

enum {
	OPERATION_SECONDS = 25,
	CLONES_SHOWN = 1,
	TAKE_LIMIT_MS = MONITOR_LIMIT_MS, /* the guest waits, as it would for QEMU */
};

struct rbd_job {
	struct deadline_call base;
	int (*work)(struct rbd_job *j); /* fills `fault` when it fails */
	bool keep;			/* the image stays open after it */
	struct disk disk;
	struct fault fault;
	rados_t rados;
	rados_ioctx_t io;
	rbd_image_t image;
	char pool[DISK_SOURCE_BYTES]; /* disk.source, cut into parts */
	const char *space, *name;
	char (*names)[DISK_SNAPSHOT_BYTES]; /* result */
	size_t count;
};

static void cut_source(struct rbd_job *j)
{
	char *last, *first;

	snprintf(j->pool, sizeof(j->pool), "%s", j->disk.source);
	last = strrchr(j->pool, '/');
	first = strchr(j->pool, '/');
	j->name = last ? last + 1 : "";
	j->space = last != first ? first + 1 : "";
	if (last)
		*last = *first = '\0';
}

static int fault_of(struct rbd_job *j, int code, const char *what)
{
	return fault_errno(&j->fault, code, "%s RBD image %s", what, j->disk.source);
}

/* What the cluster does not answer in time is an error, not a wait. */
static void limit(rados_t rados)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", OPERATION_SECONDS);
	rados_conf_set(rados, "rados_mon_op_timeout", seconds);
	rados_conf_set(rados, "rados_osd_op_timeout", seconds);
	rados_conf_set(rados, "client_mount_timeout", seconds);
}

static int connect_cluster(struct rbd_job *j)
{
	const struct disk *d = &j->disk;
	int r = rados_create(&j->rados, d->user[0] ? d->user : NULL);

	if (r < 0)
		return fault_of(j, r, "make a client of Ceph for");
	r = rados_conf_read_file(j->rados, d->conf[0] ? d->conf : NULL);
	if (r < 0)
		return fault_of(j, r, "read Ceph's configuration for");
	limit(j->rados);
	r = rados_connect(j->rados);
	if (!r)
		r = rados_ioctx_create(j->rados, j->pool, &j->io);
	if (r < 0)
		return fault_of(j, r, "connect to Ceph for");
	rados_ioctx_set_namespace(j->io, j->space);
	return 0;
}

static void disconnect(struct rbd_job *j)
{
	if (j->image)
		rbd_close(give(j->image));
	if (j->io)
		rados_ioctx_destroy(give(j->io));
	if (j->rados)
		rados_shutdown(give(j->rados));
}

static int run_job(struct deadline_call *base)
{
	struct rbd_job *j = (struct rbd_job *)base;

	cut_source(j);
	int r = j->rados ? 0 : connect_cluster(j);
	if (!r)
		r = j->work(j);
	if (!j->keep)
		disconnect(j);
	return r;
}

static void free_job(struct deadline_call *base, bool unwanted)
{
	struct rbd_job *j = (struct rbd_job *)base;

	if (unwanted)
		disconnect(j); /* in the late thread */
	free(j->names);
	free(j);
}

static struct rbd_job *job_new(const struct disk *d, int (*work)(struct rbd_job *j))
{
	struct rbd_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->base.run = run_job;
	j->base.free = free_job;
	j->work = work;
	j->disk = *d;
	return j;
}

/* *job is NULL where it is late: it belongs to its thread then. */
static int run_within(struct rbd_job **job, int limit_ms, struct fault *f)
{
	struct rbd_job *j = *job;
	const struct disk d = j->disk;
	int r = deadline_run(&j->base, limit_ms);

	if (r == -ETIMEDOUT) {
		*job = NULL;
		return fault_set(f, r, "RBD image %s: the cluster does not answer within %d s",
				 d.source, limit_ms / 1000);
	}
	if (r < 0)
		return fault_errno(f, r, "RBD image %s", d.source);
	if (j->base.result < 0)
		*f = j->fault;
	return j->base.result;
}

/* The job with its results, which the caller frees; NULL: it failed, and says why. */
static struct rbd_job *run(const struct disk *d, int (*work)(struct rbd_job *j), struct fault *f)
{
	struct rbd_job *j = job_new(d, work);

	if (!j) {
		fault_errno(f, -ENOMEM, "RBD image %s", d->source);
		return NULL;
	}
	if (!run_within(&j, DISK_LIMIT_MS, f))
		return j;
	if (j)
		j->base.free(&j->base, false);
	return NULL;
}

/* ---- the list ---------------------------------------------------------------------------- */

static int keep_names(struct rbd_job *j, const rbd_snap_info_t *snaps, int count)
{
	j->names = calloc(count + 1, sizeof(*j->names));
	if (!j->names)
		return -ENOMEM;
	for (int i = 0; i < count; i++)
		if (strlen(snaps[i].name) < sizeof(*j->names))
			snprintf(j->names[j->count++], sizeof(*j->names), "%s", snaps[i].name);
	return 0;
}

static int list_names(struct rbd_job *j)
{
	rbd_snap_info_t *snaps = NULL;
	int room = 64, count;
	int r = rbd_open_read_only(j->io, j->name, &j->image, NULL);

	if (r < 0)
		return fault_of(j, r, "open");
	do {
		free(snaps);
		snaps = calloc(room, sizeof(*snaps));
		count = snaps ? rbd_snap_list(j->image, snaps, &room) : -ENOMEM;
	} while (count == -ERANGE);
	r = count < 0 ? count : keep_names(j, snaps, count);
	if (count >= 0)
		rbd_snap_list_end(snaps);
	free(snaps);
	return r < 0 ? fault_of(j, r, "list the snapshots of") : 0;
}

int rbd_snapshots_each(const struct disk *d, int (*each)(void *context, const char *name),
		       void *context, struct fault *f)
{
	struct rbd_job *j = run(d, list_names, f);
	int r = 0;

	if (!j)
		return f->code;
	for (size_t i = 0; !r && i < j->count; i++)
		r = each(context, j->names[i]);
	j->base.free(&j->base, false);
	return r < 0 ? fault_errno(f, r, "snapshots of RBD image %s", d->source) : 0;
}

/* ---- removing ---------------------------------------------------------------------------- */

/* Ceph would take a snapshot that has clones out of sight and keep it: it is still in use. */
static int check_clones(struct rbd_job *j)
{
	rbd_linked_image_spec_t clones[CLONES_SHOWN];
	size_t room = CLONES_SHOWN;
	int r = rbd_open_read_only(j->io, j->name, &j->image, j->disk.snapshot);

	if (r < 0)
		return r == -ENOENT ? r : fault_of(j, r, "open");
	r = rbd_list_children3(j->image, clones, &room);
	if (r >= 0)
		rbd_linked_image_spec_list_cleanup(clones, room);
	rbd_close(give(j->image));
	if (r == -ERANGE || (r >= 0 && room))
		return fault_set(&j->fault, -EBUSY,
				 "snapshot %s of RBD image %s has clones: flatten or remove them "
				 "first (rbd children)",
				 j->disk.snapshot, j->disk.source);
	return r < 0 ? fault_of(j, r, "list the clones of") : 0;
}

static int remove_it(struct rbd_job *j)
{
	int r = check_clones(j);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = rbd_open(j->io, j->name, &j->image, NULL);
	if (!r)
		r = rbd_snap_remove(j->image, j->disk.snapshot);
	if (r == -EBUSY)
		return fault_set(&j->fault, -EBUSY,
				 "snapshot %s of RBD image %s is protected: rbd snap unprotect",
				 j->disk.snapshot, j->disk.source);
	if (r == -EROFS)
		return fault_set(&j->fault, -EBUSY,
				 "RBD image %s is locked by a client that does not answer: it may "
				 "have died, then Ceph takes the lock from it within a minute",
				 j->disk.source);
	return r < 0 && r != -ENOENT ? fault_of(j, r, "remove a snapshot of") : 0;
}

int rbd_snapshot_remove(const struct disk *d, struct fault *f)
{
	struct rbd_job *j = run(d, remove_it, f);

	if (!j)
		return f->code;
	j->base.free(&j->base, false);
	return 0;
}

/* ---- making one -------------------------------------------------------------------------- */

static int open_it(struct rbd_job *j)
{
	int r = rbd_open(j->io, j->name, &j->image, NULL);

	j->keep = !r;
	return r < 0 ? fault_of(j, r, "open") : 0;
}

static int take_it(struct rbd_job *j)
{
	int r = rbd_snap_create2(j->image, j->disk.snapshot, RBD_SNAP_CREATE_SKIP_QUIESCE, NULL,
				 NULL);

	return r < 0 ? fault_of(j, r, "make a snapshot of") : 0;
}

static int do_nothing(struct rbd_job *j)
{
	(void)j;
	return 0;
}

int rbd_snapshot_prepare(const struct disk *d, struct rbd_job **job, struct fault *f)
{
	*job = run(d, open_it, f);
	return *job ? 0 : f->code;
}

int rbd_snapshot_take(struct rbd_job **job, const char *name, struct fault *f)
{
	struct rbd_job *j = *job;

	snprintf(j->disk.snapshot, sizeof(j->disk.snapshot), "%s", name);
	j->work = take_it;
	return run_within(job, TAKE_LIMIT_MS, f);
}

void rbd_snapshot_close(struct rbd_job *job)
{
	struct fault ignored;

	if (!job)
		return;
	job->work = do_nothing;
	job->keep = false;
	run_within(&job, DISK_LIMIT_MS, &ignored);
	if (job)
		job->base.free(&job->base, false);
}
