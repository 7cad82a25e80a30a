/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What librbd has to be helped with. */
#pragma once

#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdbool.h>

/*
 * Opens an image, or one of its snapshots (NULL: its head), so that it may be closed at once:
 * rbd_open() answers from a thread that looks at the image once more (librbd 16.2,
 * ImageState::complete_action_unlock()), which an rbd_close() in between has freed. Negative errno.
 */
int rbd_open_image(rados_t rados, rados_ioctx_t io, const char *name, const char *snapshot,
		   bool writable, rbd_image_t *image);
