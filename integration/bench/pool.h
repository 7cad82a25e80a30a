/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to a pool for those benches that use librbd without vmguard. */
#pragma once

#include <rados/librados.h>
#include <rbd/librbd.h>

#include "vmguard/fault.h"

struct pool {
	rados_t cluster;
	rados_ioctx_t io;
};

/* What is half open after an error is pool_close()'s too. No cache: see pool.c. */
int pool_open(struct pool *p, const char *conf, const char *name, struct fault *f);
void pool_close(struct pool *p);
