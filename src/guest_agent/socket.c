/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backend `socket`: the unix socket on which QEMU offers the agent's channel.
 *
 * QEMU takes the connection whether or not anybody reads at the other end; only an answer shows
 * that. So each conversation begins with guest-sync-delimited (answers.h), and so does the next one
 * after an answer that did not come.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "guest_agent/answers.h"
#include "qmp/qmp_socket.h"
#include "vmguard/clock.h"
#include "vmguard/guest_agent.h"

enum { CONNECT_LIMIT_MS = 1000, READ_BYTES = 4 << 10 };

struct socket_agent {
	struct guest_agent base;
	int fd;
	bool in_step;
	struct agent_answers answers;
};

/* One command and the answer to it. */
struct exchange {
	const char *command;
	const char *text; /* as it is sent */
	int limit_ms;
	int64_t deadline_ms;
};

static void socket_agent_close(struct guest_agent *base)
{
	struct socket_agent *a = (struct socket_agent *)base;

	close(a->fd);
	agent_answers_clear(&a->answers);
	free(a);
}

static int fail(const struct exchange *x, int code, struct fault *f)
{
	if (code == -ETIMEDOUT)
		return fault_set(f, code, "the guest agent did not answer %s within %d ms",
				 x->command, x->limit_ms);
	if (code == -EPIPE || code == -ECONNRESET)
		return fault_set(f, -ECONNRESET,
				 "the guest agent's channel was closed while %s was under way",
				 x->command);
	return fault_errno(f, code, "%s to the guest agent", x->command);
}

/* Until the socket is ready for `events`. */
static int wait_for(const struct socket_agent *a, const struct exchange *x, short events,
		    struct fault *f)
{
	short ready = 0;
	int r = qmp_socket_wait(a->fd, events, x->deadline_ms, &ready);

	return r > 0 ? 0 : fail(x, r < 0 ? r : -ETIMEDOUT, f);
}

static int send_text(struct socket_agent *a, const struct exchange *x, struct fault *f)
{
	size_t length = strlen(x->text);
	int r = 0;

	for (size_t sent = 0; !r && sent < length;) {
		ssize_t n = qmp_socket_send(a->fd, x->text + sent, length - sent, 0);

		if (n >= 0)
			sent += (size_t)n;
		else
			r = n == -EAGAIN ? wait_for(a, x, POLLOUT, f) : fail(x, (int)n, f);
	}
	return r;
}

/* A guest that sends without end is heard no longer than one that is silent. */
static int receive_answer(struct socket_agent *a, const struct exchange *x,
			  struct json_object **answer, struct fault *f)
{
	char bytes[READ_BYTES];
	int r = 0;

	while (!r && !(*answer = agent_answers_take(&a->answers))) {
		ssize_t n = qmp_socket_receive(a->fd, bytes, sizeof(bytes));

		if (qmp_now_ms() > x->deadline_ms)
			r = fail(x, -ETIMEDOUT, f);
		else if (n > 0)
			r = agent_answers_feed(&a->answers, bytes, (size_t)n, f);
		else if (n == -EAGAIN)
			r = wait_for(a, x, POLLIN, f);
		else
			r = fail(x, n ? (int)n : -ECONNRESET, f);
	}
	return r;
}

/* The byte 0xFF has the agent forget half a command of somebody before us. */
static int come_into_step(struct socket_agent *a, const struct exchange *for_what, struct fault *f)
{
	int64_t id = clock_us(CLOCK_MONOTONIC); /* nobody before us had it */
	struct json_object *answer = NULL;
	struct exchange sync = *for_what;
	char text[128];

	snprintf(text, sizeof(text),
		 "\xff{\"execute\": \"guest-sync-delimited\", \"arguments\": {\"id\": %" PRId64
		 "}}\n",
		 id);
	sync.text = text;
	agent_answers_resync(&a->answers, id);
	int r = send_text(a, &sync, f);
	if (!r)
		r = receive_answer(a, &sync, &answer, f);
	json_object_put(answer);
	return r;
}

static int converse(struct socket_agent *a, const struct exchange *x, struct fault *f)
{
	struct json_object *answer = NULL;
	int r = a->in_step ? 0 : come_into_step(a, x, f);

	json_object_put(agent_answers_take(&a->answers)); /* one that nobody asked for */
	if (!r)
		r = send_text(a, x, f);
	if (!r)
		r = receive_answer(a, x, &answer, f);
	a->in_step = !r;
	if (!r)
		r = agent_answer_read(answer, x->command, f);
	json_object_put(answer);
	return r;
}

static int socket_agent_execute(struct guest_agent *base, const struct guest_agent_command *c,
				struct fault *f)
{
	struct json_object *object = json_object_new_object();
	auto_free char *text = NULL;

	json_object_object_add(object, "execute", json_object_new_string(c->name));
	if (c->arguments)
		json_object_object_add(object, "arguments", c->arguments);
	int length = asprintf(&text, "%s\n",
			      json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	if (length < 0) {
		text = NULL;
		return fault_errno(f, -ENOMEM, "%s to the guest agent", c->name);
	}
	return converse((struct socket_agent *)base,
			&(struct exchange){c->name, text, c->limit_ms, qmp_deadline(c->limit_ms)},
			f);
}

int guest_agent_open(const char *path, struct guest_agent **a, struct fault *f)
{
	static const struct guest_agent_ops ops = {
		.name = "socket",
		.close = socket_agent_close,
		.execute = socket_agent_execute,
	};
	auto_free struct socket_agent *made = calloc(1, sizeof(*made));
	struct qmp_error e;

	*a = NULL;
	if (!made)
		return fault_errno(f, -ENOMEM, "connect to the guest agent");
	if (qmp_socket_connect(path, CONNECT_LIMIT_MS, &made->fd, &e) < 0)
		return fault_set(f, e.code, "the guest agent's channel: %s", e.text);
	made->base.ops = &ops;
	*a = &give(made)->base;
	return 0;
}
