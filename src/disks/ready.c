/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots of several RBD images at the same time, each in a thread of its own: what takes long is
 * the monitors' agreeing on the number of a snapshot, and they agree on several at once.
 */
#include "disks/ready.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "disks/rbd_snapshots.h"

struct ready_image {
	struct disk disk;
	struct rbd_job *job;
	pthread_t thread;
	bool has_thread;
	int result;
	struct fault fault;
};

struct disks_ready {
	size_t count;
	struct ready_image images[];
};

void disks_ready_free(struct disks_ready *ready)
{
	for (size_t i = 0; ready && i < ready->count; i++)
		rbd_snapshot_close(ready->images[i].job);
	free(ready);
}

static struct disks_ready *ready_new(const struct disk_list *list)
{
	struct disks_ready *ready = NULL;
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += list->disks[i].storage == DISK_RBD;
	return count > 1 ? calloc(1, sizeof(*ready) + count * sizeof(*ready->images)) : NULL;
}

struct disks_ready *disks_prepare(const struct disk_list *list)
{
	struct disks_ready *ready = ready_new(list);
	struct fault why;

	for (size_t i = 0; ready && i < list->count; i++) {
		struct ready_image *image = &ready->images[ready->count];

		if (list->disks[i].storage != DISK_RBD)
			continue;
		image->disk = list->disks[i];
		if (rbd_snapshot_prepare(&image->disk, &image->job, &why) < 0) {
			disks_ready_free(ready);
			return NULL;
		}
		ready->count++;
	}
	return ready;
}

static void *take_one(void *argument)
{
	struct ready_image *image = argument;

	image->result = rbd_snapshot_take(&image->job, image->disk.snapshot, &image->fault);
	return NULL;
}

static void start(struct ready_image *image, const char *name)
{
	snprintf(image->disk.snapshot, sizeof(image->disk.snapshot), "%s", name);
	image->has_thread = !pthread_create(&image->thread, NULL, take_one, image);
	if (!image->has_thread)
		take_one(image);
}

static int await_all(struct disks_ready *ready, struct fault *f)
{
	int r = 0;

	for (size_t i = 0; i < ready->count; i++) {
		struct ready_image *image = &ready->images[i];

		if (image->has_thread)
			pthread_join(image->thread, NULL);
		if (image->result < 0 && !r) {
			*f = image->fault;
			r = image->result;
		}
	}
	return r;
}

int ready_take(struct disks_ready *ready, const char *name, struct fault *f)
{
	struct fault ignored;

	for (size_t i = 0; i < ready->count; i++)
		start(&ready->images[i], name);
	int r = await_all(ready, f);
	/* A cluster that does not answer is not asked again while the guest waits. */
	for (size_t i = 0; r < 0 && r != -ETIMEDOUT && i < ready->count; i++)
		if (!ready->images[i].result)
			rbd_snapshot_remove(&ready->images[i].disk, &ignored);
	return r;
}
