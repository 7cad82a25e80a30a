/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshots inside a qcow2 file that no QEMU of ours has open: the program qemu-img. */
#pragma once

#include "vmguard/disks.h"

int qemu_img_each(const char *file, int (*each)(void *context, const char *name), void *context,
		  struct fault *f);
/* -EBUSY: somebody has the file open. */
int qemu_img_remove(const char *file, const char *snapshot, struct fault *f);
/* The file is as it was. -EBUSY. */
int qemu_img_apply(const char *file, const char *snapshot, struct fault *f);
/* What it was, into a qcow2 file of its own; also while somebody has it open. */
int qemu_img_copy(const char *file, const char *snapshot, const char *to, struct fault *f);
