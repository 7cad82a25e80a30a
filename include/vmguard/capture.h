/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capture: one checkpoint of a running guest.
 *
 *	QEMU --FIFO--> reader: parse, fingerprint, pack --> spool (memory) --> writer --> store
 *	               device state at the end ------------------------------> index, manifest
 *	                                                                       commit
 *
 * The reader never waits for the store while the spool has room, because QEMU stalls the guest
 * when nobody reads. Whatever fails on our side, the reader goes on reading, to nowhere, until
 * QEMU has completed: a background snapshot that is cancelled or loses its reader hangs the
 * guest for good (QEMU 7.2). Only then is the checkpoint dropped and the failure reported; the
 * last checkpoint stays.
 *
 * A guest with disks that it can write to is stopped for their snapshots, which are of the same
 * instant as its RAM: stop, all disks or none, then QEMU's snapshot, which lets it run.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"
#include "vmguard/image.h"
#include "vmguard/store.h"

/* How far it is; called a few times a second from the thread that called capture_run(). */
struct capture_progress {
	uint64_t pages_total; /* 0 while unknown */
	uint64_t pages_done;
	uint64_t pages_zero;
	uint64_t bytes_read;  /* of the stream */
	uint64_t spool_bytes; /* that wait for the store now */
	int64_t elapsed_ms;
};

struct capture_options {
	uint64_t spool_bytes; /* 0: a quarter of the guest's RAM */
	uint64_t max_rate;    /* bytes a second to the store; 0: no limit */
	bool allow_resume;    /* a paused guest is captured, and runs afterwards */
	bool without_disks;   /* its disks get no snapshots, and it is not stopped for them */
	/*
	 * Called before the guest is stopped for its disks (armed), and when it runs again: if this
	 * process dies in between, somebody else has to let the guest go on. An error: it is not
	 * stopped. May be NULL.
	 */
	int (*guard)(void *context, bool armed, struct fault *f);
	void *guard_context;
	void (*progress)(void *context, const struct capture_progress *p); /* may be NULL */
	void *progress_context;
	/*
	 * Set by a signal handler, or atomically by another thread: drop this checkpoint, end when
	 * QEMU has completed. May be NULL.
	 */
	const volatile int *stop;
};

struct capture_result {
	struct checkpoint_id id;
	uint64_t memory_bytes; /* of the guest */
	uint64_t pages_total;
	uint64_t pages_zero;
	uint64_t pages_changed; /* these three as in struct manifest */
	uint64_t pages_written;
	uint64_t pages_moved;
	uint64_t bytes_written;
	uint64_t store_writes; /* segments, the superblock among them */
	uint64_t stream_bytes;
	uint64_t device_bytes;
	uint64_t spool_bytes;	   /* its limit */
	uint64_t spool_used_bytes; /* the most that was in it */
	int64_t spool_full_ms;	   /* how long the reader waited for room: back-pressure */
	int64_t pause_us;	   /* between QEMU's events STOP and RESUME */
	struct pause_parts pause;  /* of it, where the guest was stopped for its disks */
	size_t disks;		   /* that have a snapshot */
	int64_t total_ms;
	/* Where threads were seen to run. */
	cpu_set_t vcpu_cpus, reader_cpus, writer_cpus;
};

/*
 * Takes a checkpoint into an image that is open, so that the next one knows what changed; after a
 * failure the image has to be closed and opened again. -EPERM: refused, the guest was not touched
 * (paused, migrating, still being restored); else a failure after which the guest runs and the last
 * checkpoint is in place. The capability is switched off again in every case in which QEMU answers.
 */
int capture_run(struct hypervisor *h, struct image *image, const struct capture_options *options,
		struct capture_result *result, struct fault *f);

enum { SPOOL_BYTES_MIN = 8 * STORE_SEGMENT_BYTES };
