/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks/rbd_snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disks/rbd_job.h"
#include "vmguard/hypervisor.h"

enum {
	CLONES_SHOWN = 1,
	TAKE_LIMIT_MS = MONITOR_LIMIT_MS, /* the guest waits, as it would for QEMU */
};

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
	int r = rbd_job_open(j, NULL, false);

	if (r < 0)
		return r;
	do {
		free(snaps);
		snaps = calloc(room, sizeof(*snaps));
		count = snaps ? rbd_snap_list(j->image, snaps, &room) : -ENOMEM;
	} while (count == -ERANGE);
	r = count < 0 ? count : keep_names(j, snaps, count);
	if (count >= 0)
		rbd_snap_list_end(snaps);
	free(snaps);
	return r < 0 ? rbd_job_fault(j, r, "list the snapshots of") : 0;
}

int rbd_snapshots_each(const struct disk *d, int (*each)(void *context, const char *name),
		       void *context, struct fault *f)
{
	struct rbd_job *j = rbd_job_do(d, list_names, f);
	int r = 0;

	if (!j)
		return f->code;
	for (size_t i = 0; !r && i < j->count; i++)
		r = each(context, j->names[i]);
	rbd_job_free(j);
	return r < 0 ? fault_errno(f, r, "snapshots of RBD image %s", d->source) : 0;
}

/* ---- removing ---------------------------------------------------------------------------- */

/* Ceph would take a snapshot that has clones out of sight and keep it: it is still in use. */
static int check_clones(struct rbd_job *j)
{
	rbd_linked_image_spec_t clones[CLONES_SHOWN];
	size_t room = CLONES_SHOWN;
	int r = rbd_job_open(j, j->disk.snapshot, false);

	if (r < 0)
		return r;
	r = rbd_list_children3(j->image, clones, &room);
	if (r >= 0)
		rbd_linked_image_spec_list_cleanup(clones, room);
	rbd_close(give(j->image));
	if (r == -ERANGE || (r >= 0 && room))
		return fault_set(&j->fault, -EBUSY,
				 "snapshot %s of RBD image %s has clones: flatten or remove them "
				 "first (rbd children)",
				 j->disk.snapshot, j->disk.source);
	return r < 0 ? rbd_job_fault(j, r, "list the clones of") : 0;
}

static int remove_it(struct rbd_job *j)
{
	int r = check_clones(j);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = rbd_job_open(j, NULL, true);
	if (r < 0)
		return r;
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
	return r < 0 && r != -ENOENT ? rbd_job_fault(j, r, "remove a snapshot of") : 0;
}

int rbd_snapshot_remove(const struct disk *d, struct fault *f)
{
	struct rbd_job *j = rbd_job_do(d, remove_it, f);

	if (!j)
		return f->code;
	rbd_job_free(j);
	return 0;
}

/* ---- making one -------------------------------------------------------------------------- */

static int open_it(struct rbd_job *j)
{
	int r = rbd_job_open(j, NULL, true);

	j->keep = !r;
	return r;
}

static int take_it(struct rbd_job *j)
{
	int r = rbd_snap_create2(j->image, j->disk.snapshot, RBD_SNAP_CREATE_SKIP_QUIESCE, NULL,
				 NULL);

	return r < 0 ? rbd_job_fault(j, r, "make a snapshot of") : 0;
}

static int do_nothing(struct rbd_job *j)
{
	(void)j;
	return 0;
}

int rbd_snapshot_prepare(const struct disk *d, struct rbd_job **job, struct fault *f)
{
	*job = rbd_job_do(d, open_it, f);
	return *job ? 0 : f->code;
}

int rbd_snapshot_take(struct rbd_job **job, const char *name, struct fault *f)
{
	struct rbd_job *j = *job;

	snprintf(j->disk.snapshot, sizeof(j->disk.snapshot), "%s", name);
	j->work = take_it;
	return rbd_job_run_within(job, TAKE_LIMIT_MS, f);
}

void rbd_snapshot_close(struct rbd_job *job)
{
	struct fault ignored;

	if (!job)
		return;
	job->work = do_nothing;
	job->keep = false;
	rbd_job_run_within(&job, DISK_LIMIT_MS, &ignored);
	rbd_job_free(job);
}
