/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks whether the pool has room: append a byte, then remove the object again. */
#include "rbd_room.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void object_name_of(uint64_t client, char *name, size_t bytes)
{
	snprintf(name, bytes, "vmguard.room.%" PRIx64, client);
}

static void object_name(struct rbd_cluster *cluster, char *name, size_t bytes)
{
	object_name_of(rados_get_instance_id(cluster->rados), name, bytes);
}

/* Close waits for it: until then the image holds the handle too. */
static void end_look(struct rbd_handle *h)
{
	rbd_handle_unref_soon(h);
	pthread_mutex_lock(&h->mutex);
	h->looking = false;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->mutex);
}

static void removed(rados_completion_t completion, void *argument)
{
	rados_aio_release(completion);
	end_look(argument);
}

static void appended(rados_completion_t completion, void *argument)
{
	struct rbd_handle *h = argument;
	int r = rados_aio_get_return_value(completion);
	rados_completion_t next;
	char name[48];

	rados_aio_release(completion);
	pthread_mutex_lock(&h->mutex);
	h->full = r == -ENOSPC || r == -EDQUOT ? r : 0;
	pthread_mutex_unlock(&h->mutex);
	object_name(h->cluster, name, sizeof(name));
	if (r < 0 || rados_aio_create_completion2(h, removed, &next) < 0) {
		end_look(h);
		return;
	}
	if (rados_aio_remove(h->cluster->io, name, next) < 0) {
		rados_aio_release(next);
		end_look(h);
	}
}

void rbd_room_look(struct rbd_handle *handle)
{
	rados_completion_t completion;
	char name[48];

	object_name(handle->cluster, name, sizeof(name));
	pthread_mutex_lock(&handle->mutex);
	handle->looking = true;
	pthread_mutex_unlock(&handle->mutex);
	rbd_handle_ref(handle);
	if (rados_aio_create_completion2(handle, appended, &completion) < 0) {
		end_look(handle);
		return;
	}
	if (rados_aio_append(handle->cluster->io, name, completion, "", 1) < 0) {
		rados_aio_release(completion);
		end_look(handle);
	}
}

int rbd_room_check(struct rbd_cluster *cluster)
{
	char name[48];

	object_name(cluster, name, sizeof(name));
	int r = rados_append(cluster->io, name, "", 1);
	rados_remove(cluster->io, name);
	return r == -ENOSPC || r == -EDQUOT ? r : 0;
}

void rbd_room_forget(struct rbd_cluster *cluster, uint64_t client)
{
	char name[48];

	object_name_of(client, name, sizeof(name));
	rados_remove(cluster->io, name);
}
