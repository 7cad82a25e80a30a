/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is cut off from Ceph. A client that dies while its watch of an image is being made stays in
 * the image's list of watchers for as long as the OSD runs (16.2: 10 of 400), so that list is not
 * the last word where the client was fenced.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "disks/rbd_job.h"

/*
 * Whether the client with this address ("10.0.0.1:0/123") is on the cluster's blocklist. If so,
 * whatever is written after this returns comes after all that it has written.
 */
bool rbd_is_fenced(struct rbd_job *j, const char *address);

/* The same of the answer to "osd blocklist ls". Pure. */
bool rbd_fenced_find(const char *answer, size_t bytes, const char *address);
