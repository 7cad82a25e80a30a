/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FIFO between QEMU and the reader. QEMU gets a descriptor open for reading AND writing,
 * so it never sees a pipe without reader, whatever happens to us; we read through a second one
 * and see the end of file when QEMU closes its own. The name stays in the run directory while
 * the capture lasts, and after a kill -9: anybody may drain it (rescue.h).
 */
#pragma once

#include "vmguard/fault.h"

struct fifo {
	char path[192];
	int give; /* open O_RDWR, for QEMU; -1 after fifo_given() */
	int read; /* open O_RDONLY and not blocking; holds the lock that says a reader lives */
};

/* Replaces what a killed capture of the same guest left. -EBUSY: another one reads it. */
int fifo_open(struct fifo *fifo, const char *guest, struct fault *f);

/* QEMU has its descriptor: closes ours, so that QEMU's closing is an end of file. */
void fifo_given(struct fifo *fifo);

void fifo_close(struct fifo *fifo);
