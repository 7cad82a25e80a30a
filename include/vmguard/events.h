/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened on this host, for people and programs that follow:
 *
 *	event_begin() … event_say() --events_add()--> ring --events_after()--> who follows, at his
 *pace
 *	                                 '--> sinks: the journal, webhooks, open streams
 *
 * Everything here belongs to the loop's thread, and nothing of it waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum {
	EVENT_NAME_BYTES = 65, /* of a host or guest, with NUL */
	EVENT_VALUE_BYTES = 96,
	EVENT_FIELDS_MAX = 8,
	EVENT_LINE_BYTES = FAULT_TEXT_BYTES + 160,
};

/* error = wake someone; warning = operator tomorrow; info = state changed. */
enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR, EVENT_SEVERITIES };

/* "info", "warning", "error", NULL. */
extern const char *const event_severity_names[EVENT_SEVERITIES + 1];

/* What people and programs know them by stands in events/kinds.c; it never changes. */
enum event_kind {
	EVENT_DAEMON_STARTED,
	EVENT_DAEMON_STOPPED,
	EVENT_CONFIG_TAKEN,   /* read anew */
	EVENT_CONFIG_REFUSED, /* it has mistakes, the one before stays */
	EVENT_GUEST_PROTECTED,
	EVENT_GUEST_UNPROTECTED,
	EVENT_POLICY_CHANGED,
	EVENT_GUEST_RUNS,	   /* it was started, or seen for the first time */
	EVENT_GUEST_ENDED,	   /* by its user: no outage */
	EVENT_GUEST_DIED,	   /* its QEMU ended otherwise */
	EVENT_GUEST_CONTINUED,	   /* after that */
	EVENT_RESTORE_INTERRUPTED, /* it lacks pages, and is gone on with */
	EVENT_GUEST_DOWN,	   /* a person has to say what comes */
	EVENT_CHECKPOINT_TAKEN,
	EVENT_CHECKPOINT_LATE, /* the last one is older than its interval allows */
	EVENT_CAPTURE_REFUSED, /* the guest is paused, migrates or is being restored */
	EVENT_CAPTURE_FAILED,
	EVENT_CAPTURE_WARNED,  /* the checkpoint is there, but not all is as it should be */
	EVENT_CAPTURE_RESCUED, /* one that was under way when the daemon died */
	EVENT_STORE_AWAY,
	EVENT_STORE_BACK,
	EVENT_LIBVIRT_AWAY,
	EVENT_LIBVIRT_BACK,
	EVENT_OPERATION_DONE,
	EVENT_OPERATION_FAILED,
	EVENT_WEBHOOK_FAILING,
	EVENT_WEBHOOK_BACK,
	EVENT_WEBHOOK_DROPPED, /* events, because its queue was full */
	EVENT_KINDS
};

const char *event_kind_name(enum event_kind kind); /* "capture-failed" */
enum event_severity event_kind_severity(enum event_kind kind);
/* 32 hexadecimal digits, the journal's MESSAGE_ID. */
const char *event_kind_id(enum event_kind kind);
/* -ENOENT: there is none of that name. */
int event_kind_find(const char *name, enum event_kind *kind);

struct event_field {
	const char *name; /* static; lower case letters, digits and _ */
	bool is_text;
	int64_t number;
	char text[EVENT_VALUE_BYTES];
};

/* Fixed size: nothing to free, safe to copy. All texts are UTF-8 without control characters. */
struct event {
	uint64_t sequence; /* rises, also when the daemon is started anew; exact in JSON */
	int64_t time_ms;   /* since 1970 */
	enum event_kind kind;
	char host[EVENT_NAME_BYTES];
	char guest[EVENT_NAME_BYTES];	 /* "": it is the host's */
	uint64_t checkpoint;		 /* 0: none */
	char sentence[FAULT_TEXT_BYTES]; /* for the reader */
	struct event_field fields[EVENT_FIELDS_MAX];
	size_t field_count;
};

/* What is too long is cut, what is no UTF-8 becomes "?". `guest` may be NULL. */
void event_begin(struct event *e, enum event_kind kind, const char *guest);
void event_number(struct event *e, const char *name, int64_t number);
void event_text(struct event *e, const char *name, const char *text);
void event_say(struct event *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * One line of JSON without newline, the caller frees it; NULL: no memory. Names are stable:
 * sequence, time (RFC 3339, UTC), time_ms, severity, kind, host, guest, checkpoint (both only where
 * there is one), text, and fields as an object.
 */
char *event_json(const struct event *e);

/* "warning guest=web1 checkpoint=42 …" for a terminal; gives `line`. */
const char *event_line(const struct event *e, char line[EVENT_LINE_BYTES]);

struct events;

/* Embedded by whoever wants every event at once. It may remove itself, and adds no events. */
struct event_sink {
	void (*event)(struct event_sink *sink, const struct event *e);
	struct event_sink *next; /* events.c's */
};

/* Keeps the last `room` events (about 2 KiB each). */
int events_new(const char *host, size_t room, struct events **events, struct fault *f);
void events_close(struct events *events); /* accepts NULL */
SCOPE_CLOSER(events_close, struct events)

/* Numbers and dates the event, keeps it, and gives it to the sinks. */
void events_add(struct events *e, struct event *event);
void events_add_sink(struct events *events, struct event_sink *sink);
void events_remove_sink(struct events *events, struct event_sink *sink);

/* 0: there was none yet. */
uint64_t events_newest(const struct events *events);

/*
 * The first event after `sequence`, or NULL; valid until the next events_add(). 0 asks for the
 * oldest that is kept. *gap: some between the two are not kept any more, or `sequence` is of an
 * earlier daemon.
 */
const struct event *events_after(const struct events *events, uint64_t sequence, bool *gap);
