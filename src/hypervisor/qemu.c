/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backend `qemu`: a QMP socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/hypervisor.h"
#include "vmguard/qmp.h"

struct qemu {
	struct hypervisor base;
	struct qmp *qmp;
};

static struct qmp *qmp_of(const struct hypervisor *h)
{
	return ((const struct qemu *)h)->qmp;
}

static void qemu_close(struct hypervisor *h)
{
	qmp_close(qmp_of(h));
	free(h);
}

static int qemu_fault(const struct hypervisor *h, const struct qmp_error *e, struct fault *f)
{
	if (e->class[0])
		return fault_set(f, e->code, "QEMU at %s: %s (%s)", h->where, e->text, e->class);
	return fault_set(f, e->code, "QEMU at %s: %s", h->where, e->text);
}

static int qemu_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	struct qmp_command c = {
		.name = command,
		.arguments = arguments,
		.pass_fd = pass_fd,
		.limit_ms = MONITOR_LIMIT_MS,
	};
	struct qmp_error e;

	return qmp_execute(qmp_of(h), &c, result, &e) < 0 ? qemu_fault(h, &e, f) : 0;
}

static int qemu_execute_oob(struct hypervisor *h, const char *command,
			    struct json_object *arguments, struct fault *f)
{
	struct qmp_command c = {
		.name = command,
		.arguments = arguments,
		.flags = QMP_OOB,
		.limit_ms = MONITOR_LIMIT_MS,
	};
	struct qmp_error e;

	return qmp_execute(qmp_of(h), &c, NULL, &e) < 0 ? qemu_fault(h, &e, f) : 0;
}

static int qemu_event(struct hypervisor *h, int limit_ms, struct monitor_event *event,
		      struct fault *f)
{
	struct qmp_event qmp_event_;
	struct qmp_error e;
	int r = qmp_event(qmp_of(h), limit_ms, &qmp_event_, &e);

	if (r < 0)
		return qemu_fault(h, &e, f);
	if (!r)
		return 0;
	_Static_assert(sizeof(event->name) == sizeof(qmp_event_.name), "event names");
	memcpy(event->name, qmp_event_.name, sizeof(event->name));
	event->data = json_object_get(qmp_event_.data);
	event->time_us = qmp_event_.time_us;
	qmp_event_clear(&qmp_event_);
	return 1;
}

static pid_t qemu_pid(const struct hypervisor *h)
{
	return qmp_peer_pid(qmp_of(h));
}

static int qemu_fd(const struct hypervisor *h)
{
	return qmp_fd(qmp_of(h));
}

/* Owns qmp from here, also on failure. */
static int make(struct qmp *qmp, const char *socket, struct hypervisor **h, struct fault *f)
{
	static const struct hypervisor_ops ops = {
		.name = "qemu",
		.close = qemu_close,
		.execute = qemu_execute,
		.execute_oob = qemu_execute_oob,
		.event = qemu_event,
		.pid = qemu_pid,
		.fd = qemu_fd,
	};
	struct qemu *q = calloc(1, sizeof(*q));

	if (!q) {
		qmp_close(qmp);
		return fault_set(f, -ENOMEM, "out of memory");
	}
	q->base.ops = &ops;
	q->qmp = qmp;
	snprintf(q->base.where, sizeof(q->base.where), "%s", socket);
	snprintf(q->base.qemu_version, sizeof(q->base.qemu_version), "%s", qmp_version(qmp));
	*h = &q->base;
	return 0;
}

int hypervisor_open_qmp(const char *socket, struct hypervisor **h, struct fault *f)
{
	struct qmp_error e;
	struct qmp *qmp;

	if (qmp_connect(socket, MONITOR_LIMIT_MS, &qmp, &e) < 0)
		return fault_set(f, e.code, "%s", e.text);
	return make(qmp, socket, h, f);
}

int hypervisor_adopt_qmp(int fd, const char *socket, const char *qemu_version,
			 struct hypervisor **h, struct fault *f)
{
	struct qmp_error e;
	struct qmp *qmp;

	if (qmp_adopt(fd, qemu_version, &qmp, &e) < 0)
		return fault_set(f, e.code, "%s", e.text);
	return make(qmp, socket, h, f);
}
