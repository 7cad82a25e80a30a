/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A raw file's snapshot: SOURCE.SNAPSHOT, which shares its blocks (FICLONE). */
#pragma once

#include "vmguard/disks.h"

int reflink_make(const struct disk *d, struct fault *f);
/* It and its name survive a power failure. */
int reflink_settle(const struct disk *d, struct fault *f);
/* To read it. -ENOENT. */
int reflink_open(const struct disk *d, int *fd, struct fault *f);
/* 0 also where it is gone. */
int reflink_remove(const struct disk *d, struct fault *f);
int reflink_each(const struct disk *d, int (*each)(void *context, const char *name), void *context,
		 struct fault *f);
