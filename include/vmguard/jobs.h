/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what would block the event loop runs in a worker thread, and its completion comes back.
 *
 *	loop: jobs_add() ──> queue ──> worker: run() ──> completions ──eventfd──> loop: done()
 *
 * Workers are started on demand, up to a number, and take jobs in the order in which they came.
 *What must not wait for long captures (a restore, a heartbeat) belongs into jobs of its own: open
 *another. A job shares nothing with the loop but its stop flag: it is given copies of what it
 *needs.
 *
 * All functions are for the loop's thread alone, but job_is_stopped().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"

/* Embedded first; allocated by who adds it. */
struct job {
	int (*run)(struct job *j);    /* in a worker */
	void (*done)(struct job *j);  /* on the loop; the job is the caller's again, who frees it */
	void (*leave)(struct job *j); /* in its worker: nobody waits any more; frees it, and what
					 run() has got */

	int stop;   /* set by jobs_cancel(), atomic; its address fits capture_options.stop */
	int result; /* of run(); -ECANCELED where it was cancelled before it began */

	struct job *next; /* these two are jobs.c's */
	bool queued;
};

struct jobs;

/* workers_max is at least 1. -ENOMEM, -EMFILE and their like. */
int jobs_open(unsigned workers_max, struct jobs **jobs, struct fault *f);

/* Readable while there are completions: jobs_dispatch() is to be called. */
int jobs_fd(const struct jobs *jobs);

/* Calls done() of all that are over; it may add jobs. */
void jobs_dispatch(struct jobs *jobs);

/* Takes it over until done(). An error: it was not taken, done() is not called. -ESHUTDOWN: in a
 * done() that jobs_close() calls. */
int jobs_add(struct jobs *jobs, struct job *j, struct fault *f);

/*
 * Asks a job that was added and is not done to end. One that has not begun never does; done() comes
 * in any case, later.
 */
void jobs_cancel(struct jobs *jobs, struct job *j);

/* For run(): whether it should end. */
bool job_is_stopped(const struct job *j);

/*
 * Cancels all, waits up to limit_ms for those that run and calls done() for what is over. What is
 * late is left with its worker, which calls leave(). Returns how many were left. NULL is fine.
 */
unsigned jobs_close(struct jobs *jobs, int64_t limit_ms);
