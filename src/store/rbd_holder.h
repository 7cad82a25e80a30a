/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who writes an image: a process, told so that another one can say its name, and on the same host
 * also whether it still lives. Knows nothing of Ceph; rbd_writer.c keeps the records.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"

enum {
	RBD_HOST_BYTES = 65,
	RBD_BOOT_BYTES = 40,
	RBD_HOLDER_BYTES = 256,
};

struct rbd_holder {
	char host[RBD_HOST_BYTES];
	int64_t pid;
	int64_t since_s; /* since 1970 */
	/* To judge whether it lives: these name a process for good. */
	char boot[RBD_BOOT_BYTES]; /* of the kernel it runs on, from random/boot_id */
	uint64_t pid_namespace;	   /* the inode of ns/pid: what `pid` counts in */
	uint64_t time_namespace;   /* the inode of ns/time: what `started` counts in */
	uint64_t started;	   /* ticks after boot, /proc/PID/stat field 22 */
};

enum rbd_life {
	RBD_UNKNOWN, /* it is elsewhere, or cannot be seen from here */
	RBD_ALIVE,
	RBD_ENDING, /* killed, and the kernel is still at it */
	RBD_DEAD,   /* surely */
};

/* This process. */
int rbd_holder_self(struct rbd_holder *h, struct fault *f);
enum rbd_life rbd_holder_life(const struct rbd_holder *h);

/* One line of printable ASCII, and back; false: it is none of ours. */
void rbd_holder_encode(const struct rbd_holder *h, char text[RBD_HOLDER_BYTES]);
bool rbd_holder_decode(struct rbd_holder *h, const char *text, size_t bytes);

/* "process 4711 on host node1 since 2026-11-22 20:53:17" */
void rbd_holder_describe(const struct rbd_holder *h, char text[RBD_HOLDER_BYTES]);
