/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks/rbd_job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { OPERATION_SECONDS = 25 };

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

int rbd_job_fault(struct rbd_job *j, int code, const char *what)
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
		return rbd_job_fault(j, r, "make a client of Ceph for");
	r = rados_conf_read_file(j->rados, d->conf[0] ? d->conf : NULL);
	if (r < 0)
		return rbd_job_fault(j, r, "read Ceph's configuration for");
	limit(j->rados);
	r = rados_connect(j->rados);
	if (!r)
		r = rados_ioctx_create(j->rados, j->pool, &j->io);
	if (r < 0)
		return rbd_job_fault(j, r, "connect to Ceph for");
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

static void free_call(struct deadline_call *base, bool unwanted)
{
	struct rbd_job *j = (struct rbd_job *)base;

	if (unwanted)
		disconnect(j); /* in the late thread */
	free(j->names);
	free(j);
}

struct rbd_job *rbd_job_new(const struct disk *d, int (*work)(struct rbd_job *j))
{
	struct rbd_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->base.run = run_job;
	j->base.free = free_call;
	j->work = work;
	j->disk = *d;
	return j;
}

int rbd_job_run_within(struct rbd_job **job, int limit_ms, struct fault *f)
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

int rbd_job_run(struct rbd_job **job, struct fault *f)
{
	return rbd_job_run_within(job, DISK_LIMIT_MS, f);
}

void rbd_job_free(struct rbd_job *j)
{
	if (j)
		j->base.free(&j->base, false);
}

struct rbd_job *rbd_job_with(const struct disk *d, int (*work)(struct rbd_job *j),
			     const struct disks_return *how, struct fault *f)
{
	struct rbd_job *j = rbd_job_new(d, work);

	if (!j) {
		fault_errno(f, -ENOMEM, "RBD image %s", d->source);
		return NULL;
	}
	j->how = *how;
	if (!rbd_job_run(&j, f))
		return j;
	rbd_job_free(j);
	return NULL;
}

struct rbd_job *rbd_job_do(const struct disk *d, int (*work)(struct rbd_job *j), struct fault *f)
{
	return rbd_job_with(d, work, &(const struct disks_return){0}, f);
}

int rbd_job_open(struct rbd_job *j, const char *snapshot, bool writable)
{
	int r = rbd_open_image(j->rados, j->io, j->name, snapshot, writable, &j->image);

	return r < 0 ? rbd_job_fault(j, r, "open") : 0;
}
