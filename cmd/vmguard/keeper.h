/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that holds QEMU's monitor for the case that this vmguard dies during a lazy restore:
 *
 *	vmguard --monitor--> keeper      while vmguard lives the keeper does nothing
 *	  dies               keeper --monitor--> vmguard restore --resume
 *
 * Why: a virtual CPU that waits for a missing page can hold QEMU's big lock. Then no new monitor
 * connection comes about, as its negotiation runs under that lock; one that is negotiated still
 * takes out-of-band commands, and one of these is what lets the guest go on.
 */
#pragma once

#include <sys/types.h>

#include "vmguard/fault.h"

struct keeper {
	pid_t pid; /* 0: there is none */
	int channel;
};

/* Forks it: before there are threads, a store or a key. It holds nothing yet. */
int keeper_start(struct keeper *k, struct fault *f);

/*
 * From here on it holds this monitor, no other, and gives it to who connects to `path` once this
 * process is dead. The descriptor stays the caller's.
 */
int keeper_guard(struct keeper *k, int monitor, const char *path, struct fault *f);

/* Ends it, and it has let go of the monitor. Accepts one that was not started. */
void keeper_end(struct keeper *k);

struct kept_monitor {
	int fd;
	int keeper; /* until it is told that it may go */
};

/*
 * Gets the monitor from the keeper of a dead vmguard; the caller closes m->fd. -ENOENT: there is no
 * keeper; -EBUSY: the vmguard that it guards for lives.
 */
int keeper_take(const char *path, int limit_ms, struct kept_monitor *m, struct fault *f);
/* Somebody else guards it now: that keeper goes. Whoever dies before this has changed nothing. */
void keeper_taken(struct kept_monitor *m);
