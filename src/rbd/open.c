/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/rbd.h"

/*
 * Waits until the thread that opened an image has left it. What completes does so one after the
 * other, so what begins now is over after that thread is. In a pool handle of its own, because in
 * another it would wait for the writes there.
 */
static void let_open_end(rados_t rados, rados_ioctx_t pool)
{
	rados_completion_t completion;
	rados_ioctx_t io;

	if (rados_ioctx_create2(rados, rados_ioctx_get_id(pool), &io) < 0)
		return;
	if (rados_aio_create_completion2(NULL, NULL, &completion) == 0) {
		if (rados_aio_flush_async(io, completion) == 0)
			rados_aio_wait_for_complete(completion);
		rados_aio_release(completion);
	}
	rados_ioctx_destroy(io);
}

int rbd_open_image(rados_t rados, rados_ioctx_t io, const char *name, const char *snapshot,
		   bool writable, rbd_image_t *image)
{
	int r = writable ? rbd_open(io, name, image, snapshot)
			 : rbd_open_read_only(io, name, image, snapshot);

	if (r == 0)
		let_open_end(rados, io);
	return r;
}
