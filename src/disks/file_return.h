/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Back to a checkpoint of a disk in a file: a snapshot inside of qcow2, or a copy of a raw one. */
#pragma once

#include "vmguard/disks.h"

/* Whether the snapshot is there (-ENOENT) and nobody has the file open (-EBUSY). */
int file_return_look(const struct disk *d, struct fault *f);
int file_return_roll_back(const struct disk *d, struct fault *f);

/* `clone`: a path. -EEXIST. */
int file_return_clone(const struct disk *d, const char *clone, struct fault *f);
int file_return_remove_clone(const struct disk *d, struct fault *f);
