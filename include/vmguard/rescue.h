/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rescue: a guest that hangs because its snapshot lost its reader runs again.
 *
 * While a snapshot is taken, QEMU write-protects the guest's RAM (userfaultfd) and a vCPU that
 * writes to a page waits until the page is out. It goes on
 *
 *	1. when somebody drains the FIFO that QEMU writes to, or, where the snapshot failed and
 *	   nobody will ever answer,
 *	2. when the protection is taken away from outside.
 *
 * Nothing here needs a monitor that answers: a hung QEMU's often does not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmguard/fault.h"

/*
 * The FIFO of a capture has a name that ends so; whoever captures holds a lock on it. Its
 * descriptor in QEMU is what rescue_drain() looks for.
 */
#define RESCUE_FIFO_SUFFIX ".vmguard-fifo"

struct rescue_report {
	uint64_t drained_bytes;
	unsigned areas_released; /* of memory that were still write-protected */
};

/* The process that listens on a unix socket, without waiting for it. Negative errno. */
pid_t rescue_find_pid(const char *socket, struct fault *f);

/*
 * Drains the FIFO that QEMU writes a snapshot to, until QEMU closes it or nothing has come
 * for quiet_ms. -EBUSY: a vmguard that lives is reading it. 0 also where there is none.
 */
int rescue_drain(pid_t pid, int quiet_ms, struct rescue_report *report, struct fault *f);

/*
 * Takes the write protection off the memory of a QEMU whose snapshot failed. Must not be called
 * while a snapshot is under way: its contents would be mixed. -EPERM, -ENOSYS.
 */
int rescue_release(pid_t pid, struct rescue_report *report, struct fault *f);
