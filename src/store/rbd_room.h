/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the pool has room.
 *
 * Normally librados holds writes back while a pool is full, until they time out; what would
 * free space waits as well. We ask for errors instead (rados_set_pool_full_try), but then an
 * OSD refuses only what grows an object: overwriting one that a snapshot shares needs space
 * too and is let through, until the OSD itself is full and dies, with everyone's data on it.
 * So while we write, a byte is appended to an object every second; when that is refused,
 * store_write() refuses too, until there is room again.
 */
#pragma once

#include "rbd_call.h"

enum { RBD_ROOM_INTERVAL_MS = 1000 };

/* Starts a look; sets handle->full when it is over. Does not block. */
void rbd_room_look(struct rbd_handle *handle);

/* Removes what a client that died left of its look. */
void rbd_room_forget(struct rbd_cluster *cluster, uint64_t client);

/* Looks at once, and waits. -ENOSPC, -EDQUOT; 0 whatever else happens. */
int rbd_room_check(struct rbd_cluster *cluster);
