/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard of one guest: a state machine as a table, state x event -> step.
 *
 *	                       time        slot
 *	absent ──> watching ───────> waiting ───────> capturing ──> watching
 *	  appeared    ^                                   ├──> refused   asked again in a while
 *	              │                                   └──> failing   after 1, 2, 4 … 60 s
 *	              │ restored
 *	         continuing <── lost <── its QEMU died, in any of these
 *	                         └──> down      manual, restarted too often, nothing to go on from
 *
 *	stopped: its user ended it (no outage). settling: what came to an end while a job was under
 *	way is acted upon when the job is over, so that a guest never has two.
 *
 * Pure: the time is an argument, in milliseconds of a clock that only goes forward; what has to be
 * done is called in guard_sink's ops. Who owns the guests tells what happened (guard_tell()), and
 * calls guards_step() afterwards and when the next timer is over. One thread. Ops are called from
 * these two, and must not call them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/schedule.h"

/* What is legal: whether the guest runs here, and whether a job of it is under way. */
enum guard_state {
	GUARD_ABSENT,	  /* runs nowhere here, no job */
	GUARD_WATCHING,	  /* runs, no job; due later */
	GUARD_WAITING,	  /* runs, no job; due, no slot is free */
	GUARD_CAPTURING,  /* runs, a capture */
	GUARD_REFUSED,	  /* runs, no job; was paused, migrating or being restored */
	GUARD_FAILING,	  /* runs, no job; the last capture failed */
	GUARD_LOST,	  /* its QEMU died, no job; the next attempt comes when the timer is over */
	GUARD_CONTINUING, /* a restore, or a boot */
	GUARD_SETTLING,	  /* any job; `after` says which state follows it */
	GUARD_DOWN,	  /* its QEMU died, no job; a person has to do something */
	GUARD_STOPPED,	  /* its user ended it, no job */
	GUARD_UNPROTECTED, /* no job, not in the schedule any more: it is its owner's to free */
	GUARD_STATES,
};

enum guard_event {
	GUARD_APPEARED,	 /* its domain runs here */
	GUARD_SHUT_DOWN, /* by the guest, or through its agent or ACPI */
	GUARD_DESTROYED, /* by its user; not by a restore that cleans up: see below */
	GUARD_SAVED,	 /* by its user: libvirt has its state */
	GUARD_MIGRATED,	 /* it runs on another host */
	GUARD_DIED,	 /* its QEMU crashed or was killed */
	GUARD_CHANGED,	 /* its terms did: guard_change() tells it */
	GUARD_REMOVED,	 /* nobody wants it protected any more */
	GUARD_RESTORING, /* told first, if at all: a restore is under way that an earlier daemon
			    began; its owner tells its end, as of any */
	GUARD_ASKED, /* a person wants a checkpoint now; of a guest that is down: that it goes on */
	GUARD_TIME,  /* these two are guards_step()'s */
	GUARD_SLOT,  /* */
	GUARD_CAPTURED,	       /* with the checkpoint's number */
	GUARD_CAPTURE_FAILED,  /* why */
	GUARD_CAPTURE_REFUSED, /* why */
	GUARD_RESTORED,	       /* it runs, and all its pages are there */
	GUARD_RESTORE_FAILED,  /* why, and whether it ran; it does not run now */
	GUARD_EVENTS,
};

/* What happened. In GUARD_CONTINUING it is the restore's job that says how it ends; domains that
 * come and go meanwhile are its own. */
struct guard_news {
	enum guard_event event;
	uint64_t checkpoint; /* of GUARD_CAPTURED */
	bool ran;	     /* of GUARD_RESTORE_FAILED: the guest did something since */
	const char *why;     /* a sentence, where the event has one; else NULL */
};

enum guard_on_failure {
	GUARD_RESUME, /* goes on from its last checkpoint */
	GUARD_REBOOT, /* boots from its disks as they are */
	GUARD_MANUAL, /* stays down */
};

enum { GUARD_RESTARTS_MAX = 32 };

/* What the guard needs to know of a guest's policy. */
struct guard_terms {
	int64_t interval_ms; /* at least 1 */
	enum guard_on_failure on_failure;
	/* So often within the window, at most GUARD_RESTARTS_MAX; 0: never by itself. What counts
	 * is that the guest ran: attempts before that are repeated, ever more rarely. */
	unsigned restart_limit;
	int64_t restart_window_ms;
};

enum {
	GUARD_BACKOFF_FIRST_MS = 1000,
	GUARD_BACKOFF_MAX_MS = 60000,
	GUARD_REFUSED_MS =
		10000, /* asked again after that, or after an interval if it is shorter */
	GUARD_WHY_BYTES = 256,
};

struct guards;

/* Embedded by the owner, who may read it; guard.c's to write. */
struct guard {
	struct schedule_guest schedule; /* first: where it is due, and what it missed */
	struct guards *guards;
	const char *name; /* the owner's */
	struct guard_terms terms;
	enum guard_state state;
	enum guard_state after;	   /* of GUARD_SETTLING */
	enum guard_event ended;	   /* how its domain ended while it was continuing */
	bool present;		   /* a domain of it runs here, as far as was told */
	char why[GUARD_WHY_BYTES]; /* it is refused, failing, lost, down or stopped */
	uint64_t checkpoint;	   /* the last one; 0: none */
	int64_t taken_ms;	   /* when that capture began */
	int64_t since_ms;	   /* of its state */
	unsigned failures;	   /* in a row: of captures, or of restores */
	uint64_t captures, captures_failed, captures_refused, restarts;
	int64_t restarted_ms[GUARD_RESTARTS_MAX]; /* a ring: restarts % GUARD_RESTARTS_MAX is next
						   */
};

/* A state was left. */
struct guard_transition {
	enum guard_state from, to;
	enum guard_event event;
	char detail[GUARD_WHY_BYTES]; /* "checkpoint 42"; empty: none */
};

struct guard_sink {
	const struct guard_ops *ops;
};

/* All are called on the loop, and needed. */
struct guard_ops {
	const char *name;
	/* Begins a job that ends with GUARD_CAPTURED, _FAILED or _REFUSED. An error: it did not. */
	int (*capture)(struct guard_sink *sink, struct guard *g, struct fault *f);
	/* The guest ended: the capture is of no use. Its job ends as any. */
	void (*stop_capture)(struct guard_sink *sink, struct guard *g);
	/* Begins a job that ends with GUARD_RESTORED or _FAILED. An error: it did not. */
	int (*restore)(struct guard_sink *sink, struct guard *g, enum guard_on_failure how,
		       struct fault *f);
	/* For the log, events and followers. To GUARD_UNPROTECTED: its last call; the owner may
	 * free the guard after guard_tell() returned. */
	void (*moved)(struct guard_sink *sink, struct guard *g, const struct guard_transition *t);
	/* The table has no step for it, and nothing was changed: a bug, to be logged. */
	void (*unexpected)(struct guard_sink *sink, const struct guard *g, enum guard_event event);
};

/* captures_max: at the same time on this host. The sink outlives it. */
int guards_open(struct guard_sink *sink, unsigned captures_max, struct guards **guards,
		struct fault *f);
/* After all guards are GUARD_UNPROTECTED, or the jobs of all were ended: it calls nobody. */
void guards_close(struct guards *guards);
void guards_set_limit(struct guards *guards, unsigned captures_max);

/*
 * Protects a guest, GUARD_ABSENT at first; `g` is the caller's and is overwritten. -EINVAL: terms
 * that no policy may have, says which.
 */
int guard_add(struct guards *guards, struct guard *g, const char *name,
	      const struct guard_terms *terms, struct schedule_store *store, int64_t now_ms,
	      struct fault *f);

/* What the store has of it, once before its domain appears; taken_ms may be in the past. */
void guard_found(struct guard *g, uint64_t checkpoint, int64_t taken_ms);

/* Its policy was edited. A guest that is down because of it is tried again. Errors as guard_add():
 * the old terms hold. */
int guard_change(struct guard *g, const struct guard_terms *terms, int64_t now_ms, struct fault *f);

void guard_tell(struct guard *g, const struct guard_news *news, int64_t now_ms);

/* Whether its state has a step for GUARD_ASKED. */
bool guard_can_be_asked(const struct guard *g);

/* Tells timers that are over and gives free slots. Costs microseconds where there are none. */
void guards_step(struct guards *guards, int64_t now_ms);

/* When guards_step() has something to do, if nobody tells anything; INT64_MAX: never. */
int64_t guards_wake_ms(const struct guards *guards);

unsigned guards_capturing(const struct guards *guards);
size_t guards_waiting(const struct guards *guards);

/* Of its last checkpoint; -1: it has none. */
int64_t guard_age_ms(const struct guard *g, int64_t now_ms);

/* "watching" and the like; stable. */
const char *guard_state_name(enum guard_state state);
const char *guard_event_name(enum guard_event event);

/* "guest=web1 watching -> capturing (checkpoint 42)" */
enum { GUARD_LINE_BYTES = 512 };
void guard_line(const struct guard *g, const struct guard_transition *t,
		char line[GUARD_LINE_BYTES]);
