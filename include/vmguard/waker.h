/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that lets a guest go on where the vmguard that stopped it for its disks has died:
 *
 *	vmguard --armed, disarmed--> waker
 *	   dies                      waker --cont--> QEMU
 *
 * It is this program once more, because a process with threads cannot fork and go on. It has
 * vmguard's own connection to a QMP socket, which serves nobody else; to a domain of libvirt it
 * connects when it has to. It gives up where QEMU has ended, not where nobody answers.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "vmguard/hypervisor.h"
#include "vmguard/monitor.h"

struct waker {
	pid_t pid; /* 0: there is none */
	int channel;
	bool armed;
};

/* Starts it for this guest, and it is there when this returns. It does nothing until it is armed.
 */
int waker_start(struct waker *w, const struct monitor_address *at, struct hypervisor *h,
		struct fault *f);

/* Armed before the guest is stopped, disarmed when it runs. */
int waker_arm(struct waker *w, bool armed, struct fault *f);

/*
 * Ends it. One that is armed lets the guest go on first. -ETIMEDOUT: it could not do so yet, and
 * goes on to try by itself. Accepts one that was not started.
 */
int waker_end(struct waker *w, struct fault *f);

/* What it is called with, as the first word; its own main(). */
#define WAKER_WORD "--waker"
int waker_main(int argc, char **argv);
