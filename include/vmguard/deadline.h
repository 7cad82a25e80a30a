/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call into somebody else's library that may never return, and its deadline.
 *
 * It runs in a thread of its own while its caller waits. One that is late is left alone with all
 * that it uses: whoever embeds struct deadline_call keeps that in it, holds references to what is
 * shared, and lets go of it in free(), which then runs in the late thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded first; run and free are the embedder's, the rest is deadline.c's. */
struct deadline_call {
	int (*run)(struct deadline_call *c);
	/* Frees the call; unwanted: with the results that nobody will take. */
	void (*free)(struct deadline_call *c, bool unwanted);

	int result; /* of run() */
	int64_t deadline_ms;
	pthread_cond_t changed;
	bool over;
	bool late; /* its caller has gone */
};

/*
 * Runs a call that was allocated. 0: it is over, c->result has what run() gave, and the caller
 * frees it with c->free(). -ETIMEDOUT: it is late, belongs to its thread and must not be touched
 * any more. Another error: it was not begun, and the caller frees it.
 */
int deadline_run(struct deadline_call *c, int64_t limit_ms);

/* For run(): moves the deadline to `ms` from now. */
void deadline_extend(struct deadline_call *c, int64_t ms);

/* Runs something in a thread that nobody waits for. */
int deadline_detach(void *(*run)(void *argument), void *argument);
