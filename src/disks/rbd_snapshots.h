/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshots of an RBD image, from outside of the QEMU that may have it open. */
#pragma once

#include "vmguard/disks.h"

/* -ENOENT: there is no such image; -ETIMEDOUT: the cluster does not answer. */
int rbd_snapshots_each(const struct disk *d, int (*each)(void *context, const char *name),
		       void *context, struct fault *f);
/* An image that is open for one snapshot to come. */
struct rbd_job;
int rbd_snapshot_prepare(const struct disk *d, struct rbd_job **job, struct fault *f);
/* Makes it; *job is NULL where it is late. The guest stands still, so nobody is asked to be quiet.
 */
int rbd_snapshot_take(struct rbd_job **job, const char *name, struct fault *f);
void rbd_snapshot_close(struct rbd_job *job); /* accepts NULL */

/* 0 also where it is gone. -EBUSY: it is protected, or has clones. */
int rbd_snapshot_remove(const struct disk *d, struct fault *f);
