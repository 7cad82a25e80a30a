/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations: what somebody asked for and that takes its time. Whoever asked looks at it, waits
 * for its end or cancels it; who carries it out tells how far it is.
 *
 *	running ──────────────> done | failed
 *	   └──> cancelling ──> cancelled | done | failed     it may have been too late
 *
 * One thread. Times are an argument: milliseconds since 1970.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"

struct json_object;

enum operation_kind { OPERATION_CAPTURE, OPERATION_RESTORE };

enum operation_state {
	OPERATION_RUNNING,
	OPERATION_CANCELLING,
	OPERATION_DONE,
	OPERATION_FAILED,
	OPERATION_CANCELLED,
};

enum {
	OPERATION_GUEST_BYTES = 65,
	OPERATION_WHO_BYTES = 64,
	OPERATIONS_ENDED_KEPT = 200,
};

/* To be read; operations.c's to write. */
struct operation {
	uint64_t id; /* rises, also when the daemon is started anew; exact in JSON */
	enum operation_kind kind;
	enum operation_state state;
	char guest[OPERATION_GUEST_BYTES];
	char who[OPERATION_WHO_BYTES]; /* "": nobody, the daemon did */
	int64_t started_ms, ended_ms;  /* 0: not yet */
	double progress;	       /* 0 to 1; negative: not known */
	uint64_t checkpoint;	       /* that came of it, or that it is from; 0: none */
	char fault[FAULT_TEXT_BYTES];
	uint64_t version; /* rises with each change */

	/* Asks who carries it out to end it; NULL: it cannot be. */
	void (*cancel)(void *context);
	void *context;
	uint64_t end; /* rises with each that ends */
	struct operation *older;
};

struct operations;

int operations_new(struct operations **all, struct fault *f);
void operations_close(struct operations *all); /* accepts NULL */

/* NULL: no memory. `who` and `cancel` may be NULL. */
struct operation *operation_begin(struct operations *all, enum operation_kind kind,
				  const char *guest, const char *who, int64_t now_ms);
void operation_let_cancel(struct operation *o, void (*cancel)(void *context), void *context);

void operation_progress(struct operation *o, double progress);

/*
 * It is over. `why` NULL: it is done, else it failed, or was cancelled where that was asked for.
 * The oldest of those that ended goes, where there are too many.
 */
void operation_end(struct operations *all, struct operation *o, const char *why, int64_t now_ms);

/* -EALREADY: it has ended. -EOPNOTSUPP: its kind cannot be. Cancelling twice is fine. */
int operation_cancel(struct operation *o, struct fault *f);

bool operation_is_over(const struct operation *o);

/* The newest, whose `older` leads on; NULL: none. */
const struct operation *operations_newest(const struct operations *all);
struct operation *operations_find(const struct operations *all, uint64_t id); /* NULL: none */

/* The caller puts it. */
struct json_object *operation_json(const struct operation *o);
