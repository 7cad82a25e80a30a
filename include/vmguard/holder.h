/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has something (an image that is written, a checkpoint that is restored): a process, told so
 * that another one can say its name, and on the same host also whether it still lives. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmguard/fault.h"

enum {
	HOLDER_HOST_BYTES = 65,
	HOLDER_BOOT_BYTES = 40,
	HOLDER_BYTES = 256,
};

struct holder {
	char host[HOLDER_HOST_BYTES];
	int64_t pid;
	int64_t since_s; /* since 1970 */
	/* To judge whether it lives: these name a process for good. */
	char boot[HOLDER_BOOT_BYTES]; /* of the kernel it runs on, from random/boot_id */
	uint64_t pid_namespace;	      /* the inode of ns/pid: what `pid` counts in */
	uint64_t time_namespace;      /* the inode of ns/time: what `started` counts in */
	uint64_t started;	      /* ticks after boot, /proc/PID/stat field 22 */
};

enum holder_life {
	HOLDER_UNKNOWN, /* it is elsewhere, or cannot be seen from here */
	HOLDER_ALIVE,
	HOLDER_ENDING, /* killed, and the kernel is still at it */
	HOLDER_DEAD,   /* surely */
};

/* A process of this host, from now on. -ESRCH, -ENOENT: there is none. */
int holder_of(pid_t pid, struct holder *h, struct fault *f);
/* Whether both are the same process; since when does not matter. */
bool holder_is_same(const struct holder *a, const struct holder *b);

enum holder_life holder_life(const struct holder *h);
/* Dead, or of an earlier boot of this host: by its name, which no other host has. */
bool holder_is_gone(const struct holder *h);
/* Waits, at most 10 s, while one that was killed has not ended yet. */
void holder_await_end(const struct holder *h);

/* One line of printable ASCII, and back; false: it is none of ours. */
void holder_encode(const struct holder *h, char text[HOLDER_BYTES]);
bool holder_decode(struct holder *h, const char *text, size_t bytes);

/* "process 4711 on host node1 since 2026-11-22 20:53:17" */
void holder_describe(const struct holder *h, char text[HOLDER_BYTES]);
