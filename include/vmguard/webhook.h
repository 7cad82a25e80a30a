/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events to programs elsewhere:
 *
 *	sink --> inbox --own thread--> FOLDER/NAME/… on disk --POST--> target
 *	                    |              (one request at a time, again until it is taken)
 *	webhooks_fd() <-----'   what is to be told of a target: that it fails, is back, lost events
 *
 * The loop never waits, neither for a target nor for the disk. What is on disk, which it is as soon
 * as the thread has run, is delivered at least once and in order, also where the process is killed;
 * it is not synced, so a host that loses its power may lose the last ones. When the queue of a
 *target is full its oldest events are dropped and counted. vmguard.conf(5) has what is sent.
 */
#pragma once

#include "vmguard/events.h"

enum { WEBHOOK_NAME_BYTES = 33 };

struct webhook_target {
	const char *name;	      /* a folder's */
	const char *url;	      /* never told: it may hold a password */
	const char *secret_file;      /* NULL, "": requests are not signed */
	const char *ca_file;	      /* NULL, "": whom the host trusts */
	enum event_severity severity; /* of the least events that it gets */
	uint64_t queue_bytes;	      /* on disk; an event takes 4 KiB */
	int64_t timeout_ms;	      /* of a request */
	int64_t retry_ms; /* after the first failure, doubled with each; 0: one second */
};

struct webhook_status {
	uint64_t waiting;	    /* events on disk */
	uint64_t delivered;	    /* since webhooks_open() */
	uint64_t dropped;	    /* since then */
	uint64_t failures;	    /* one after the other; 0: all is well */
	char why[FAULT_TEXT_BYTES]; /* of the last one; "" */
};

struct webhooks;

/*
 * Reads the secrets, makes FOLDER and what is in it where it is missing, and goes on with what
 * waits there. One process at a time. Targets may be none.
 */
int webhooks_open(const char *folder, const struct webhook_target *targets, size_t count,
		  struct webhooks **w, struct fault *f);

/*
 * Gives those who take events at most so long for those that wait; the others find theirs the
 * next time. The sink is removed before. Accepts NULL.
 */
void webhooks_close(struct webhooks *w, int64_t limit_ms);

/* The rest from the loop's thread. */
struct event_sink *webhooks_sink(struct webhooks *w);

/* Readable while webhooks_news() has something. */
int webhooks_fd(const struct webhooks *w);
/* What is to be told next, for events_add(); false: nothing. */
bool webhooks_news(struct webhooks *w, struct event *e);

/* In the order of webhooks_open(). */
void webhooks_status(struct webhooks *w, size_t target, struct webhook_status *status);
