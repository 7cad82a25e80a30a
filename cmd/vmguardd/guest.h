/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A protected guest. */
#pragma once

#include "daemon.h"
#include "vmguard/capture.h"
#include "vmguard/libvirt.h"
#include "vmguard/session.h"

/*
 * What a guest keeps open from one capture to the next; it belongs to the worker while a capture is
 * under way. Its texts are what the session's terms point to.
 */
struct kept {
	struct session session;
	struct policy policy; /* that the session was opened with */
	char guest[STORE_NAME_BYTES];
	char store[CONFIG_TEXT_BYTES];
	char run_directory[CONFIG_TEXT_BYTES];
	uint64_t spool_bytes;
	struct fault told; /* that is no error of the capture; code 0: nothing */
};

enum guest_stage {
	GUEST_NEW,     /* its first look is under way: nothing is told to its guard yet */
	GUEST_GUARDED, /* the guard has it */
	GUEST_LEAVING, /* its policy is gone */
};

/* A checkpoint as people look back at it. */
struct taken {
	uint64_t number;
	int64_t time_ms; /* since 1970 */
	int64_t pause_us;
	int64_t duration_ms; /* 0: not known, an earlier daemon took it */
	uint64_t memory_bytes, bytes_written;
};

enum { HISTORY = 100 };

struct guest {
	struct guard guard; /* first */
	struct daemon *daemon;
	struct guest *next;
	enum guest_stage stage;
	char name[STORE_NAME_BYTES];
	struct policy policy;
	bool listed; /* by the list of policies that is read now */

	struct kept *kept;   /* NULL: nothing is open, or a capture has it */
	struct job *meeting; /* these two are under way, or NULL */
	struct job *capture;
	struct taken history[HISTORY]; /* a ring; the next is at taken % HISTORY */
	uint64_t taken;
	uint64_t written_bytes;	       /* since the daemon was started */
	struct operation *asked;       /* for a capture or a restore, not over; or NULL */
	char warned[FAULT_TEXT_BYTES]; /* that was told, too */
	bool late;		       /* that was told */
	pid_t restore;		       /* the process, or 0 */
	int restore_said;	       /* what it says: a file that it has locked; -1 */
	bool restore_lacks;	       /* the guest has run without all its pages */
	unsigned restore_failures;
	sd_event_source *restore_end, *restore_timer;
	sd_event_source *qemu_end;     /* of one without libvirt, while it runs */
	char uuid[LIBVIRT_UUID_BYTES]; /* of its domain; "": not seen yet */
};

static inline struct guest *guest_of(struct guard *g)
{
	return (struct guest *)g;
}

/* guests.c */
/* Reads the policies, in a job, when it is time to. */
void guests_list(struct daemon *d);
struct guest *guests_find(struct daemon *d, const char *name);
struct guard_terms guest_terms(const struct policy *p);
const char *guest_on_failure_name(const struct policy *p);
/* What has become of the time: who is late, how far captures are. */
void guests_report(struct daemon *d);
bool guest_is_late(const struct guest *g);	     /* older than two intervals */
uint64_t guests_spool_bytes(const struct daemon *d); /* in use */
void guests_free(struct daemon *d);
extern const struct guard_ops guests_ops;

/* meet.c: what has to be known, or put right, before a guest is guarded */
void meet_begin(struct guest *g);

/* capture.c */
int capture_begin(struct guest *g, struct fault *f);
void capture_stop(struct guest *g);
double capture_progress(const struct guest *g); /* 0 to 1; negative: none is under way */
uint64_t capture_spool_bytes(const struct guest *g);
/* Closes what is open, in a job: it may take its time. */
void capture_forget(struct guest *g);
struct kept *kept_new(const struct guest *g);
void kept_free(struct kept *k); /* accepts NULL; blocks */

/* taken.c */
void taken_add(struct guest *g, const struct taken *t);
/* The newest; NULL: there is none. */
const struct taken *taken_newest(const struct guest *g);
/* The i-th of all, i from taken_oldest() to g->taken - 1. */
uint64_t taken_oldest(const struct guest *g);
const struct taken *taken_at(const struct guest *g, uint64_t i);

/* requests.c: the job that somebody has asked for is over */
void requests_end(struct guest *g, uint64_t checkpoint, const char *why);
/* Its state has changed: what was asked for may have become impossible. */
void requests_moved(struct guest *g);
/* One that nobody asked for is an operation, too. */
void requests_begin_restore(struct guest *g);

/* restore.c */
int restore_begin(struct guest *g, struct fault *f);
/* Whether one is under way that an earlier daemon began, or the guest lacks pages and hangs. */
bool restore_find(struct guest *g);
void restore_adopt(struct guest *g);   /* that one; the guard is continuing */
void restore_abandon(struct guest *g); /* leaves its process alone */

/* boot.c */
int boot_begin(struct guest *g, struct fault *f);

/* domains.c */
void domains_each(const struct daemon *d, void (*each)(void *context, const char *uri, bool up),
		  void *context);
/* Watches the libvirt of this policy, where it has one and nobody does yet. */
int domains_watch(struct daemon *d, const struct policy *p, struct fault *f);
/* Tells the guard of a guest that is new what was seen of its domain. */
void domains_tell(struct guest *g);
void domains_free(struct daemon *d);

/* begun.c */
/* These two in the worker: the loop waits for no disk. */
void begun_write(const struct kept *k);
void begun_remove(const char *run_directory, const char *guest);
/* Frees the guests of captures that an earlier daemon had begun; d->rescues counts them. */
void begun_rescue(struct daemon *d);
void guest_tell_rescue(struct daemon *d, const char *guest, const struct rescue_report *r);

/* sockets.c */
/* Whether QEMUs of guests without libvirt are there now. */
void sockets_look(struct daemon *d);
void sockets_forget(struct guest *g);

/* note.c */
enum note {
	NOTE_ENDED, /* or nothing is known since the host was booted */
	NOTE_RUNS,
	NOTE_DIED, /* and does not run again */
};
void note_write(const struct daemon *d, const char *uuid, enum note note);
enum note note_read(const struct daemon *d, const char *uuid);
void note_remove(const struct daemon *d, const char *uuid);
