/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Back to a snapshot of an RBD image; d->snapshot says which. */
#pragma once

#include "vmguard/disks.h"

/*
 * Whether it has the snapshot (-ENOENT), nobody has it open (-EBUSY, after `how->waits` and a while
 * in which a dead one goes), and whether something was written since.
 */
int rbd_return_look(const struct disk *d, const struct disks_return *how, bool *newer,
		    struct fault *f);
int rbd_return_roll_back(const struct disk *d, const struct disks_return *how, struct fault *f);

/* `clone`: as d->source. -EEXIST. */
int rbd_return_clone(const struct disk *d, const char *clone, struct fault *f);
/* d is a clone; -EPERM: it is none of ours. */
int rbd_return_remove_clone(const struct disk *d, struct fault *f);
