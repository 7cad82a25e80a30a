/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers for image_begin() that write each segment at once, so many at the same time. */
#pragma once

#include "vmguard/image.h"

struct writes;

int writes_new(struct store_image *image, unsigned in_flight, struct writes **w, struct fault *f);
void writes_free(struct writes *w); /* accepts NULL; waits */

struct image_buffers *writes_buffers(struct writes *w);

/* Waits for all that were put; the first failure since the last call. */
int writes_wait(struct writes *w);

/* Segments that were put since the last call. */
uint64_t writes_count(struct writes *w);
