/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks/rbd_return.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disks/rbd_fenced.h"
#include "disks/rbd_job.h"
#include "vmguard/clock.h"

enum {
	WATCHERS = 16,
	DEAD_AFTER_MS = 45000, /* a watch outlives its client by 30 s (osd_client_watch_timeout) */
	LOOK_AGAIN_MS = 500,
	IS_NEWER = 1,
};

/* On a clone that vmguard made, its own name: a clone of the clone has the key too (librbd). */
static const char mark[] = "vmguard.clone";

/* ---- who has it open --------------------------------------------------------------------- */

/* Who opens it to read alone does not watch it. `who`: one that can write, "" where there is none.
 */
static int find_watcher(struct rbd_job *j, char who[64])
{
	rbd_image_watcher_t watchers[WATCHERS];
	size_t count = WATCHERS;
	int r = rbd_watchers_list(j->image, watchers, &count);

	who[0] = '\0';
	if (r == -ERANGE)
		snprintf(who, 64, "more than %d clients", WATCHERS);
	if (r < 0)
		return r == -ERANGE ? 0 : rbd_job_fault(j, r, "ask who has open");
	for (size_t i = 0; i < count && !who[0]; i++)
		if (!rbd_is_fenced(j, watchers[i].addr))
			snprintf(who, 64, "%s", watchers[i].addr);
	rbd_watchers_list_cleanup(watchers, count);
	return 0;
}

static int wait_for_watchers(struct rbd_job *j)
{
	int64_t until_ms = monotonic_ms() + DEAD_AFTER_MS;
	char who[64];
	int r;

	for (bool told = false; !(r = find_watcher(j, who)) && who[0]; told = true) {
		if (!told && j->how.waits)
			j->how.waits(j->how.context, &j->disk, who);
		if (monotonic_ms() >= until_ms)
			return fault_set(&j->fault, -EBUSY,
					 "RBD image %s is open elsewhere, by %s: end its guest "
					 "there first; where that host cannot be reached, fence it "
					 "(power it off, ceph osd blocklist add %s)",
					 j->disk.source, who, who);
		deadline_extend(&j->base, DISK_LIMIT_MS);
		sleep_us(LOOK_AGAIN_MS * 1000);
	}
	return r;
}

/* ---- what is newer ----------------------------------------------------------------------- */

static int end_at_first(uint64_t offset, size_t bytes, int exists, void *newer)
{
	(void)offset;
	(void)bytes;
	(void)exists;
	*(bool *)newer = true;
	return -ECANCELED;
}

static int find_newer(struct rbd_job *j)
{
	uint64_t bytes = 0, bytes_then = 0;
	int r = rbd_get_size(j->image, &bytes);

	if (!r)
		r = rbd_snap_set(j->image, j->disk.snapshot);
	if (r == -ENOENT)
		return fault_set(&j->fault, r, "RBD image %s has no snapshot %s any more",
				 j->disk.source, j->disk.snapshot);
	if (!r)
		r = rbd_get_size(j->image, &bytes_then);
	if (!r)
		r = rbd_snap_set(j->image, NULL);
	if (r < 0)
		return rbd_job_fault(j, r, "look at the snapshots of");
	j->newer = bytes != bytes_then;
	r = rbd_diff_iterate2(j->image, j->disk.snapshot, 0, bytes, true, true, end_at_first,
			      &j->newer);
	return r < 0 && !j->newer ? rbd_job_fault(j, r, "look for what is newer in") : 0;
}

/* Where it is refused anyway nobody is waited for. */
static int look(struct rbd_job *j)
{
	int r = rbd_job_open(j, NULL, false);

	if (!r)
		r = find_newer(j);
	return r < 0 || (j->newer && !j->how.newer) ? r : wait_for_watchers(j);
}

int rbd_return_look(const struct disk *d, const struct disks_return *how, bool *newer,
		    struct fault *f)
{
	struct rbd_job *j = rbd_job_with(d, look, how, f);

	if (!j)
		return f->code;
	*newer = j->newer;
	rbd_job_free(j);
	return 0;
}

/* ---- rolling back ------------------------------------------------------------------------ */

static int tell_progress(uint64_t done, uint64_t total, void *job)
{
	struct rbd_job *j = job;

	deadline_extend(&j->base, DISK_LIMIT_MS);
	if (j->how.progress && total)
		j->how.progress(j->how.context, &j->disk, (unsigned)(1000 * done / total));
	return 0;
}

/* The lock of one who has died lasts longer than his watch. */
static int roll_back(struct rbd_job *j)
{
	int64_t until_ms = monotonic_ms() + DEAD_AFTER_MS;
	int r = rbd_job_open(j, NULL, true);

	if (r < 0)
		return r;
	while ((r = rbd_snap_rollback_with_progress(j->image, j->disk.snapshot, tell_progress,
						    j)) == -EROFS &&
	       monotonic_ms() < until_ms) {
		deadline_extend(&j->base, DISK_LIMIT_MS);
		sleep_us(LOOK_AGAIN_MS * 1000);
	}
	return r < 0 ? rbd_job_fault(j, r, "roll back") : 0;
}

int rbd_return_roll_back(const struct disk *d, const struct disks_return *how, struct fault *f)
{
	struct rbd_job *j = rbd_job_with(d, roll_back, how, f);

	rbd_job_free(j);
	return j ? 0 : f->code;
}

/* ---- clones ------------------------------------------------------------------------------ */

/* Format 2: the snapshot need not be protected. */
static int make_clone(struct rbd_job *j, const char *name)
{
	rbd_image_options_t options;

	rbd_image_options_create(&options);
	int r = rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_CLONE_FORMAT, 2);
	if (!r)
		r = rbd_clone3(j->io, j->name, j->disk.snapshot, j->io, name, options);
	rbd_image_options_destroy(options);
	return r;
}

static int clone_it(struct rbd_job *j)
{
	const char *slash = strrchr(j->clone, '/');
	const char *name = slash ? slash + 1 : j->clone;
	int r = make_clone(j, name);

	if (r == -EEXIST)
		return fault_set(&j->fault, r,
				 "there is an RBD image %s already: remove it (rbd rm) if nobody "
				 "needs it",
				 j->clone);
	if (r < 0)
		return rbd_job_fault(j, r, "clone");
	r = rbd_open_image(j->rados, j->io, name, NULL, true, &j->image);
	if (!r)
		r = rbd_metadata_set(j->image, mark, j->clone);
	if (r < 0) {
		rbd_job_fault(j, r, "mark the clone of");
		if (j->image)
			rbd_close(give(j->image));
		rbd_remove(j->io, name);
	}
	return r;
}

int rbd_return_clone(const struct disk *d, const char *clone, struct fault *f)
{
	struct rbd_job *j = rbd_job_new(d, clone_it);

	if (!j)
		return fault_errno(f, -ENOMEM, "clone RBD image %s", d->source);
	snprintf(j->clone, sizeof(j->clone), "%s", clone);
	int r = rbd_job_run(&j, f);
	rbd_job_free(j);
	return r;
}

static int check_mark(struct rbd_job *j)
{
	char value[DISK_SOURCE_BYTES] = "";
	size_t room = sizeof(value) - 1;
	int r = rbd_job_open(j, NULL, false);

	if (r < 0)
		return r;
	r = rbd_metadata_get(j->image, mark, value, &room);
	rbd_close(give(j->image));
	if ((r < 0 && r != -ENOENT) || !strcmp(value, j->disk.source))
		return r < 0 && r != -ENOENT ? rbd_job_fault(j, r, "look at the mark of") : 0;
	return fault_set(&j->fault, -EPERM, "RBD image %s is no clone that vmguard made",
			 j->disk.source);
}

static int remove_clone(struct rbd_job *j)
{
	int64_t until_ms = monotonic_ms() + DEAD_AFTER_MS;
	int r = check_mark(j);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = rbd_remove(j->io, j->name)) == -EBUSY && monotonic_ms() < until_ms) {
		deadline_extend(&j->base, DISK_LIMIT_MS);
		sleep_us(LOOK_AGAIN_MS * 1000);
	}
	if (r == -EBUSY)
		return fault_set(&j->fault, r, "RBD image %s is open elsewhere (rbd status %s)",
				 j->disk.source, j->disk.source);
	return r < 0 && r != -ENOENT ? rbd_job_fault(j, r, "remove") : 0;
}

int rbd_return_remove_clone(const struct disk *d, struct fault *f)
{
	struct rbd_job *j = rbd_job_do(d, remove_clone, f);

	rbd_job_free(j);
	return j ? 0 : f->code;
}
