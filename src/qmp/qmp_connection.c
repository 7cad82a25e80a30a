/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/qmp_connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmp/qmp_error.h"
#include "qmp/qmp_socket.h"

static int take_event(struct qmp *q, struct json_object *body, size_t bytes, struct qmp_error *e)
{
	struct qmp_event event;
	int r = qmp_message_event(body, &event, e);

	return r < 0 ? r : qmp_events_push(&q->events, &event, bytes, e);
}

/* An error without an id is QEMU's answer to a command that it could not read. */
static void take_reply(struct qmp *q, const struct qmp_message *m, struct json_object *object)
{
	int64_t id = m->id == QMP_ID_NONE && m->kind == QMP_REFUSAL ? q->awaited_id : m->id;

	if (q->awaited_id && id == q->awaited_id && !q->reply)
		q->reply = json_object_get(object);
}

static int sort_message(struct qmp *q, struct json_object *object, size_t bytes,
			struct qmp_error *e)
{
	struct qmp_message m;
	int r = qmp_message_read(object, &m, e);

	if (r < 0)
		return r;
	if (q->greeted != (m.kind != QMP_GREETING))
		return qmp_error_set(e, -EPROTO,
				     q->greeted ? "QEMU sent a second greeting"
						: "the first message is no greeting");
	if (m.kind == QMP_GREETING) {
		q->greeted = true;
		return qmp_message_greeting(m.body, &q->greeting, e);
	}
	if (m.kind == QMP_EVENT)
		return take_event(q, m.body, bytes, e);
	take_reply(q, &m, object);
	return 0;
}

static int take_message(struct qmp_sink *s, struct json_object *object, size_t bytes,
			struct qmp_error *e)
{
	int r = sort_message((struct qmp *)s, object, bytes, e);

	json_object_put(object);
	return r;
}

int qmp_connection_new(int fd, struct qmp **q, struct qmp_error *e)
{
	struct qmp *made = calloc(1, sizeof(*made));

	if (made) {
		made->fd = fd;
		made->sink.take = take_message;
		made->parser = qmp_parser_new(&made->sink);
	}
	if (!made || !made->parser) {
		free(made);
		close(fd);
		return qmp_error_set(e, -ENOMEM, "no memory for a monitor connection");
	}
	*q = made;
	return 0;
}

void qmp_connection_free(struct qmp *q)
{
	if (!q)
		return;
	close(q->fd);
	qmp_parser_free(q->parser);
	qmp_connection_drop_outgoing(q);
	json_object_put(q->reply);
	qmp_events_clear(&q->events);
	free(q);
}

bool qmp_connection_sent(const struct qmp *q)
{
	return q->outgoing.sent == q->outgoing.length;
}

void qmp_connection_drop_outgoing(struct qmp *q)
{
	free(q->outgoing.text);
	memset(&q->outgoing, 0, sizeof(q->outgoing));
}

/* *e says what failed; it is the answer to every later call, too. */
static int fail(struct qmp *q, const struct qmp_error *e)
{
	q->failure = *e;
	return e->code;
}

static int fail_closed(struct qmp *q, const struct qmp_wait *w, struct qmp_error *e)
{
	qmp_error_set(e, -ECONNRESET, "QEMU closed the monitor connection while %s was awaited%s",
		      w->what,
		      qmp_parser_is_inside(q->parser) ? ", in the middle of a message" : "");
	return fail(q, e);
}

static int refuse_unusable(const struct qmp *q, const struct qmp_wait *w, struct qmp_error *e)
{
	*e = q->failure;
	return qmp_error_wrap(e, "the monitor connection is unusable, %s cannot come", w->what);
}

int qmp_connection_receive(struct qmp *q, const struct qmp_wait *w, struct qmp_error *e)
{
	if (q->failure.code)
		return refuse_unusable(q, w, e);
	ssize_t n = qmp_socket_receive(q->fd, q->incoming, sizeof(q->incoming));
	if (n == -EAGAIN)
		return 0;
	if (n == 0 || n == -ECONNRESET)
		return fail_closed(q, w, e);
	if (n < 0) {
		qmp_error_set(e, (int)n, "receive %s: %s", w->what, strerror((int)-n));
		return fail(q, e);
	}
	if (qmp_parser_feed(q->parser, q->incoming, (size_t)n, e) < 0) {
		if (q->greeted)
			qmp_error_wrap(e, "while %s was awaited", w->what);
		else
			qmp_error_wrap(e, "not a QMP server");
		return fail(q, e);
	}
	return 0;
}

static int send_some(struct qmp *q, const struct qmp_wait *w, struct qmp_error *e)
{
	ssize_t n = qmp_socket_send(q->fd, q->outgoing.text + q->outgoing.sent,
				    q->outgoing.length - q->outgoing.sent, q->outgoing.pass_fd);

	if (n == -EAGAIN)
		return 0;
	if (n == -EPIPE || n == -ECONNRESET)
		return fail_closed(q, w, e);
	if (n < 0) {
		qmp_error_set(e, (int)n, "send the command for %s: %s", w->what, strerror((int)-n));
		/* A descriptor that cannot be passed is the caller's affair, not the socket's. */
		return q->outgoing.sent ? fail(q, e) : e->code;
	}
	q->outgoing.sent += (size_t)n;
	q->outgoing.pass_fd = 0;
	return 0;
}

static int time_out(const struct qmp *q, const struct qmp_wait *w, struct qmp_error *e)
{
	return qmp_error_set(e, -ETIMEDOUT, "QEMU did not send %s within %d ms%s", w->what,
			     w->limit_ms,
			     qmp_connection_sent(q) ? "" : ": it has stopped reading its monitor");
}

int qmp_connection_converse(struct qmp *q, const struct qmp_wait *w, struct qmp_error *e)
{
	if (w->done(q))
		return 0;
	if (q->failure.code)
		return refuse_unusable(q, w, e);
	do {
		short wanted = qmp_connection_sent(q) ? POLLIN : POLLIN | POLLOUT, ready = 0;
		int r = qmp_socket_wait(q->fd, wanted, w->deadline_ms, &ready);

		if (r < 0)
			return qmp_error_set(e, r, "wait for %s: %s", w->what, strerror(-r));
		if (r == 0)
			break;
		/* Receiving goes first: what QEMU said before it closed must not be lost. */
		r = ready == POLLOUT ? send_some(q, w, e) : qmp_connection_receive(q, w, e);
		if (r < 0)
			return r;
		if (w->done(q))
			return 0;
	} while (qmp_now_ms() < w->deadline_ms);
	return time_out(q, w, e);
}
