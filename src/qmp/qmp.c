/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of libqmp: connect and negotiate, run a command, hand out an event. Each makes
 * a struct qmp_wait that says what is awaited and how long, and leaves the rest to
 * qmp_connection.c.
 */
#include "vmguard/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "qmp/qmp_connection.h"
#include "qmp/qmp_error.h"
#include "qmp/qmp_socket.h"

static bool greeted(const struct qmp *q)
{
	return q->greeted;
}

static bool answered(const struct qmp *q)
{
	return q->reply != NULL;
}

static bool has_event(const struct qmp *q)
{
	return q->events.count > 0;
}

static struct qmp_wait wait_for_reply(const struct qmp_command *c, int64_t deadline_ms)
{
	struct qmp_wait w = {.limit_ms = c->limit_ms, .deadline_ms = deadline_ms};

	snprintf(w.what, sizeof(w.what), "the reply to %s", c->name);
	return w;
}

/* The command as JSON text in q->outgoing. Releases c->arguments in any case. */
static int compose(struct qmp *q, const struct qmp_command *c, struct qmp_error *e)
{
	static const int style = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *verb = c->flags & QMP_OOB ? "exec-oob" : "execute";
	struct json_object *command = json_object_new_object();

	if (!command) {
		json_object_put(c->arguments);
		return qmp_error_set(e, -ENOMEM, "no memory for the command %s", c->name);
	}
	json_object_object_add(command, verb, json_object_new_string(c->name));
	json_object_object_add(command, "id", json_object_new_int64(q->last_id + 1));
	if (c->arguments)
		json_object_object_add(command, "arguments", c->arguments);
	/* QEMU needs no newline; a person or a script that listens does. */
	int length =
		asprintf(&q->outgoing.text, "%s\n", json_object_to_json_string_ext(command, style));
	json_object_put(command);
	if (length < 0) {
		q->outgoing.text = NULL;
		return qmp_error_set(e, -ENOMEM, "no memory for the command %s", c->name);
	}
	q->outgoing.length = (size_t)length;
	q->outgoing.pass_fd = c->pass_fd;
	q->last_id++;
	return 0;
}

/* Sends what an earlier command left behind and takes what came since. */
static int make_ready(struct qmp *q, const struct qmp_command *c, struct qmp_wait *w,
		      struct qmp_error *e)
{
	if (c->flags & QMP_OOB && !q->oob)
		return qmp_error_set(e, -EOPNOTSUPP,
				     "%s cannot run out-of-band: QEMU did not offer that", c->name);
	w->done = qmp_connection_sent;
	int r = qmp_connection_converse(q, w, e);
	if (r < 0)
		return r;
	qmp_connection_drop_outgoing(q);
	/*
	 * Errors that QEMU sent without an id after the last command must not be taken for
	 * this one's. It also tells a dead connection before the command is given to it.
	 */
	return qmp_connection_receive(q, w, e);
}

static int take_result(struct qmp *q, const struct qmp_command *c, struct json_object **result,
		       struct qmp_error *e)
{
	struct json_object *reply = q->reply;
	int r = qmp_message_result(reply, c->name, result, e);

	q->reply = NULL;
	json_object_put(reply);
	return r;
}

static int run(struct qmp *q, const struct qmp_command *c, struct json_object **result,
	       struct qmp_wait *w, struct qmp_error *e)
{
	q->awaited_id = q->last_id;
	w->done = answered;
	int r = qmp_connection_converse(q, w, e);
	q->awaited_id = 0;
	if (q->outgoing.sent == 0 || qmp_connection_sent(q))
		qmp_connection_drop_outgoing(q);
	return r < 0 ? r : take_result(q, c, result, e);
}

static int execute_until(struct qmp *q, const struct qmp_command *c, int64_t deadline_ms,
			 struct json_object **result, struct qmp_error *e)
{
	struct qmp_wait w = wait_for_reply(c, deadline_ms);
	int r = make_ready(q, c, &w, e);

	if (r < 0) {
		json_object_put(c->arguments);
		return r;
	}
	r = compose(q, c, e);
	return r < 0 ? r : run(q, c, result, &w, e);
}

int qmp_execute(struct qmp *q, const struct qmp_command *c, struct json_object **result,
		struct qmp_error *e)
{
	if (result)
		*result = NULL;
	return execute_until(q, c, qmp_deadline(c->limit_ms), result, e);
}

static int negotiate(struct qmp *q, int limit_ms, int64_t deadline_ms, struct qmp_error *e)
{
	struct qmp_command c = {.name = "qmp_capabilities", .limit_ms = limit_ms};

	if (q->greeting.oob)
		c.arguments = json_tokener_parse("{\"enable\": [\"oob\"]}");
	int r = execute_until(q, &c, deadline_ms, NULL, e);
	q->oob = r == 0 && q->greeting.oob;
	return r;
}

static int greet(struct qmp *q, int limit_ms, int64_t deadline_ms, struct qmp_error *e)
{
	struct qmp_wait w = {.what = "its greeting",
			     .limit_ms = limit_ms,
			     .deadline_ms = deadline_ms,
			     .done = greeted};
	int r = qmp_connection_converse(q, &w, e);

	if (r == -ETIMEDOUT)
		return qmp_error_set(e, r,
				     "QEMU did not send its greeting within %d ms: another client "
				     "holds the monitor, or QEMU is stopped",
				     limit_ms);
	return r < 0 ? r : negotiate(q, limit_ms, deadline_ms, e);
}

static int attach_until(int fd, int limit_ms, int64_t deadline_ms, struct qmp **q,
			struct qmp_error *e)
{
	struct qmp *made = NULL;
	int r = qmp_connection_new(fd, &made, e);

	if (r == 0)
		r = greet(made, limit_ms, deadline_ms, e);
	if (r < 0) {
		qmp_close(made);
		return r;
	}
	*q = made;
	return 0;
}

int qmp_attach(int fd, int limit_ms, struct qmp **q, struct qmp_error *e)
{
	*q = NULL;
	return attach_until(fd, limit_ms, qmp_deadline(limit_ms), q, e);
}

int qmp_connect(const char *path, int limit_ms, struct qmp **q, struct qmp_error *e)
{
	int64_t deadline_ms = qmp_deadline(limit_ms);
	int fd = -1;

	*q = NULL;
	int r = qmp_socket_connect(path, limit_ms, &fd, e);
	if (r < 0)
		return r;
	if (attach_until(fd, limit_ms, deadline_ms, q, e) < 0)
		return qmp_error_wrap(e, "monitor %s", path);
	return 0;
}

int qmp_adopt(int fd, const char *version, struct qmp **q, struct qmp_error *e)
{
	*q = NULL;
	int r = qmp_connection_new(fd, q, e);
	if (r < 0)
		return r;
	qmp_parser_join((*q)->parser);
	(*q)->greeted = true;
	(*q)->oob = true;
	snprintf((*q)->greeting.version, sizeof((*q)->greeting.version), "%s", version);
	/* Larger than any id of those that had the connection before: nobody sends so many. */
	(*q)->last_id = qmp_now_ms() << 10;
	return 0;
}

void qmp_close(struct qmp *q)
{
	qmp_connection_free(q);
}

int qmp_event(struct qmp *q, int limit_ms, struct qmp_event *event, struct qmp_error *e)
{
	struct qmp_wait w = {.what = "an event",
			     .limit_ms = limit_ms,
			     .deadline_ms = qmp_deadline(limit_ms),
			     .done = has_event};
	int r = qmp_connection_converse(q, &w, e);

	if (r == -ETIMEDOUT)
		return 0;
	if (r < 0)
		return r;
	qmp_events_pop(&q->events, event);
	return 1;
}

uint64_t qmp_events_dropped(const struct qmp *q)
{
	return q->events.dropped;
}

const char *qmp_version(const struct qmp *q)
{
	return q->greeting.version;
}

bool qmp_has_oob(const struct qmp *q)
{
	return q->oob;
}

pid_t qmp_peer_pid(const struct qmp *q)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(q->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || peer.pid <= 0)
		return -1;
	return peer.pid;
}

int qmp_fd(const struct qmp *q)
{
	return q->fd;
}
