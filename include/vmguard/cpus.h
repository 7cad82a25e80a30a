/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which CPUs run the guest and which the transfer of its snapshots.
 *
 * A snapshot is moved by threads of its own on CPUs of their own, so that the guest keeps its.
 * Affinity, niceness and I/O priority belong to a thread and are inherited by the threads that it
 * makes: what is started through cpus_call() (librbd's threads, the spool's writer) has them all.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include "vmguard/fault.h"

enum {
	CPUS_TEXT_BYTES = 256,
	TRANSFER_NICE = 5,
	TRANSFER_IO_LEVEL = 6, /* of 0 … 7 in the best-effort class */
};

/* "0-3,8", the kernel's list format (cpuset(7)). -EINVAL says what is wrong with it. */
int cpus_parse(const char *text, cpu_set_t *set, struct fault *f);
/* The same way back, cut with "…" where it is too long; "" for none. */
const char *cpus_format(const cpu_set_t *set, char text[CPUS_TEXT_BYTES]);

/* Where a thread may run. -ESRCH. */
int cpus_of_thread(pid_t thread, cpu_set_t *set, struct fault *f);
/* Where it ran last (proc(5), stat, field 39); -ESRCH. */
int cpus_last_of_thread(pid_t process, pid_t thread);

/* Runs the caller's thread, and those it makes from here on, on these CPUs. -EINVAL: none of them
 * is there. */
int cpus_use(const cpu_set_t *set, struct fault *f);

/* Runs fn on a thread with the niceness and I/O priority of a transfer, and waits for it. */
int cpus_call(int (*fn)(void *context, struct fault *f), void *context, struct fault *f);
/* Gives them to the caller's thread. Where the kernel refuses, the thread stays as it was. */
void cpus_be_nice(void);
