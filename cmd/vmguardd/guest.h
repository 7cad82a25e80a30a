/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A protected guest. */
#pragma once

#include "daemon.h"
#include "vmguard/capture.h"
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
};

enum guest_stage {
	GUEST_NEW,     /* its first look is under way: nothing is told to its guard yet */
	GUEST_GUARDED, /* the guard has it */
	GUEST_LEAVING, /* its policy is gone */
};

struct guest {
	struct guard guard; /* first */
	struct daemon *daemon;
	struct guest *next;
	enum guest_stage stage;
	char name[STORE_NAME_BYTES];
	struct policy policy;
	bool listed; /* by the list of policies that is read now */

	struct kept *kept;	    /* NULL: nothing is open, or a job has it */
	struct job *capture;	    /* under way, or NULL */
	struct capture_result last; /* of the last capture that succeeded */
	pid_t restore;		    /* the process, or 0 */
	int restore_said;	    /* what it says: a memory file; -1 */
	sd_event_source *restore_end;
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
void guests_free(struct daemon *d);
extern const struct guard_ops guests_ops;

/* meet.c: what has to be known, or put right, before a guest is guarded */
void meet_begin(struct guest *g);

/* capture.c */
int capture_begin(struct guest *g, struct fault *f);
void capture_stop(struct guest *g);
/* Closes what is open, in a job: it may take its time. */
void capture_forget(struct guest *g);
struct kept *kept_new(const struct guest *g);
void kept_free(struct kept *k); /* accepts NULL; blocks */

/* restore.c */
int restore_begin(struct guest *g, enum guard_on_failure how, struct fault *f);
void restore_abandon(struct guest *g); /* leaves its process alone */

/* domains.c */
/* Watches the libvirt of this policy, where it has one and nobody does yet. */
int domains_watch(struct daemon *d, const struct policy *p, struct fault *f);
/* Whether a domain of it runs. */
bool domains_run(const struct daemon *d, const struct policy *p);
void domains_free(struct daemon *d);
