/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done once the guest runs: the network is told where it is now, its clock is set. A guest
 * that is paused gets neither. The agent is waited for on a thread of its own, which only uses the
 * agent's socket, because the guest may need its pages first.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "vmguard/guest_agent.h"
#include "vmguard/restore.h"

struct afterwards_work {
	struct afterwards *result;
	struct guest_agent *agent; /* libvirt's; NULL: it is opened at: */
	char agent_path[GUEST_AGENT_PATH_BYTES];
	const volatile int *stop;
	_Atomic bool complete; /* the guest has all its pages: now it must answer */
	bool waits;	       /* the thread has to be joined */
	pthread_t thread;
};

/* Asks QEMU for some milliseconds; *result is filled at the end. */
void afterwards_begin(struct afterwards_work *w, struct hypervisor *h,
		      const struct restore_options *options, struct afterwards *result);
/* Waits for the agent, at most for two of its time limits (guest_agent_set_time()). */
void afterwards_end(struct afterwards_work *w);

/* Both, for a guest that has all its pages. */
void afterwards_do(struct hypervisor *h, const struct restore_options *options,
		   struct afterwards *result);
