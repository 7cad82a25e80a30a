/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libqmp: a client of the QEMU Machine Protocol on a unix socket, on json-c.
 * It uses nothing else of vmguard and can be taken out as it is.
 *
 * One struct qmp belongs to one thread at a time. Every call has a time limit in
 * milliseconds and none waits beyond it: a frozen QEMU is -ETIMEDOUT, never a hang. After
 * -ETIMEDOUT the connection still works: a late reply is recognised by its id and dropped.
 * A command that timed out may still run; and while QEMU has eight that it has not answered
 * it reads no more, not even one with QMP_OOB.
 *
 * Events that arrive while a reply is awaited are queued, in order, for qmp_event(): at most
 * 4096 of them and 32 MiB of their text; beyond that the oldest are dropped and counted.
 *
 * Source: QEMU docs/interop/qmp-spec.rst.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct qmp;

/* What went wrong: fixed size, nothing to free. */
struct qmp_error {
	int code;	/* negative errno; -EREMOTEIO where QEMU itself refused the command */
	char class[48]; /* QEMU's class ("GenericError", "CommandNotFound"), "" where not QEMU */
	char text[384]; /* one sentence that names the command: "QEMU refused getfd: …" */
};

struct qmp_event {
	char name[64];		  /* "MIGRATION" */
	struct json_object *data; /* may be NULL; released by qmp_event_clear() */
	int64_t time_us; /* QEMU's own stamp, microseconds since 1970; -1 where it has none */
};

enum {
	QMP_OOB = 1, /* `exec-oob`: runs even while another command hangs; needs qmp_has_oob() */
};

/*
 * Connects, reads the greeting, negotiates capabilities (out-of-band where offered).
 * -ENOENT, -ECONNREFUSED (nobody listens), -ENAMETOOLONG, -ETIMEDOUT (another client holds
 * the monitor, or QEMU is stopped), -EPROTO (not a QMP server), and as for qmp_execute().
 * *q is NULL on failure.
 */
int qmp_connect(const char *path, int limit_ms, struct qmp **q, struct qmp_error *e);
/* The same on a connected socket, which qmp owns from here, also on failure. */
int qmp_attach(int fd, int limit_ms, struct qmp **q, struct qmp_error *e);
/*
 * A connection that another process negotiated, out-of-band with it, and left: what it did not read
 * of QEMU's answers and events may still be in it, also half a message; events are handed out,
 * answers dropped. A command is so short that it is sent whole or not at all. Asks QEMU nothing.
 * `version` is what qmp_version() gave there; qmp owns fd from here, also on failure.
 */
int qmp_adopt(int fd, const char *version, struct qmp **q, struct qmp_error *e);
void qmp_close(struct qmp *q); /* accepts NULL */

/* QEMU's version from the greeting as "7.2.22"; valid until qmp_close(). */
const char *qmp_version(const struct qmp *q);
bool qmp_has_oob(const struct qmp *q);
/*
 * Process id of the peer (SO_PEERCRED), or -1. For a socket that QEMU did not open itself it
 * is the one that called listen() on it: libvirt hands its guests a socket of its own.
 */
pid_t qmp_peer_pid(const struct qmp *q);
/*
 * For poll(): readable when qmp_event() may have something. Do not read from it. Events that
 * came during another call do not make it readable: after one, ask qmp_event() until it is 0.
 */
int qmp_fd(const struct qmp *q);

struct qmp_command {
	const char *name;
	struct json_object *arguments; /* may be NULL; qmp_execute() always releases it */
	/* Sent along with SCM_RIGHTS where > 0 (so that leaving it out passes none); stays the
	   caller's. */
	int pass_fd;
	unsigned flags; /* QMP_OOB or 0 */
	int limit_ms;	/* 0 or less: only one look, never "for ever" */
};

/*
 * Runs a command and waits for its reply. *result (may be NULL) gets the "return" value, which
 * the caller releases with json_object_put(); it is NULL on failure. -EREMOTEIO (QEMU refused
 * it), -ETIMEDOUT, -EOPNOTSUPP (QMP_OOB was not negotiated), -EBADF (pass_fd), -ECONNRESET
 * (QEMU closed the socket), -EPROTO (malformed reply). After the last two the connection is
 * unusable; what else there is to it is qmp_event() for the events that came before.
 */
int qmp_execute(struct qmp *q, const struct qmp_command *c, struct json_object **result,
		struct qmp_error *e);

/*
 * The next event, waiting at most limit_ms (0: only what is here). 1: *event is filled,
 * clear it; 0: none came; else an error as for qmp_execute().
 */
int qmp_event(struct qmp *q, int limit_ms, struct qmp_event *event, struct qmp_error *e);
void qmp_event_clear(struct qmp_event *event);
/* How many events were dropped, since the beginning, because nobody asked for them. */
uint64_t qmp_events_dropped(const struct qmp *q);

/* ---- QMP that comes another way ---------------------------------------------------------- */

/*
 * libvirt has the monitor of its guests to itself, but passes commands on as text, without ids.
 * A command as such a text: the caller frees it, NULL: no memory. `arguments` (may be NULL) is
 * released in any case.
 */
char *qmp_text_of_command(const char *name, struct json_object *arguments);
/* Reads QEMU's whole reply to the command as qmp_execute() does: -EREMOTEIO, -EPROTO. */
int qmp_text_reply(const char *text, const char *name, struct json_object **result,
		   struct qmp_error *e);

enum { QMP_VERSION_BYTES = 40 };
/* The version in what query-version returns, as "7.2.22". -EPROTO: there is none. */
int qmp_version_of(struct json_object *returned, char version[QMP_VERSION_BYTES],
		   struct qmp_error *e);
