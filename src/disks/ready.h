/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The RBD images that were opened for their snapshots. */
#pragma once

#include "vmguard/disks.h"

/* All at the same time, all or none. */
int ready_take(struct disks_ready *ready, const char *name, struct fault *f);
