/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work on an RBD image from outside of the QEMU that may have it open. librbd passes on to QEMU,
 * which has the image locked, what only the owner of the lock may do. It may wait for ever, so each
 * job runs in a thread with a deadline and with a connection of its own.
 */
#pragma once

#include "vmguard/deadline.h"
#include "vmguard/disks.h"
#include "vmguard/rbd.h"

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

	/* of rbd_snapshots.c */
	char (*names)[DISK_SNAPSHOT_BYTES]; /* result */
	size_t count;

	/* of rbd_return.c */
	char clone[DISK_SOURCE_BYTES]; /* name of the image to be made */
	bool newer;		       /* result */
	struct disks_return how;
};

/* NULL: no memory. */
struct rbd_job *rbd_job_new(const struct disk *d, int (*work)(struct rbd_job *j));

/* *job is NULL where it is late: it belongs to its thread then. */
int rbd_job_run_within(struct rbd_job **job, int limit_ms, struct fault *f);
/* Within DISK_LIMIT_MS, which the work may extend. */
int rbd_job_run(struct rbd_job **job, struct fault *f);
/* A new one. NULL: it failed, and says why; else with its results, for rbd_job_free(). */
struct rbd_job *rbd_job_do(const struct disk *d, int (*work)(struct rbd_job *j), struct fault *f);
struct rbd_job *rbd_job_with(const struct disk *d, int (*work)(struct rbd_job *j),
			     const struct disks_return *how, struct fault *f);
void rbd_job_free(struct rbd_job *j); /* accepts NULL */

/* For the work: "what RBD image …: why". */
int rbd_job_fault(struct rbd_job *j, int code, const char *what);
int rbd_job_open(struct rbd_job *j, const char *snapshot, bool writable);
