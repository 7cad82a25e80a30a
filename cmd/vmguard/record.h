/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A note in the run directory of what a QEMU is being restored from, so that somebody else can go
 * on when this vmguard dies: another checkpoint's pages would ruin the guest.
 */
#pragma once

#include <sys/types.h>

#include "verb.h"

struct record {
	char store[512]; /* URI */
	struct target target;
};

int record_write(pid_t qemu, const struct record *r, struct fault *f);
/* -ENOENT: there is none for this process. */
int record_read(pid_t qemu, struct record *r, struct fault *f);
void record_remove(pid_t qemu);
