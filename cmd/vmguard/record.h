/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A note in the run directory of what a QEMU is being restored from, so that somebody else can go
 * on when this vmguard dies: another checkpoint's pages would ruin the guest.
 */
#pragma once

#include "verb.h"
#include "vmguard/holder.h"

struct record {
	char store[512]; /* URI */
	struct target target;
	unsigned percent; /* of its memory that is there */
};

/* Also to bring it up to date. Nothing is written of an unknown process (pid 0). */
int record_write(const struct holder *qemu, const struct record *r, struct fault *f);
/* -ENOENT: there is none for this process. */
int record_read(const struct holder *qemu, struct record *r, struct fault *f);
void record_remove(const struct holder *qemu);
