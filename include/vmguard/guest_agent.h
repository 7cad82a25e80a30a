/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest agent (qemu-ga): a program in the guest that takes commands from the host.
 *
 *	guest_agent.c   what is asked of it
 *	socket.c        a backend: the unix socket of its channel
 *	channel.c       finds that socket, by asking QEMU
 *
 * What it says comes from the guest and is not trusted; that it ever answers, neither: every call
 * has a time limit. One struct guest_agent belongs to one thread at a time.
 *
 * Source: QEMU docs/interop/qemu-ga-ref.
 */
#pragma once

#include <json-c/json.h>

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"
#include "vmguard/scope.h"

enum { GUEST_AGENT_PATH_BYTES = 108 };

struct guest_agent_command {
	const char *name;
	struct json_object *arguments; /* may be NULL; released in any case */
	int limit_ms;
};

struct guest_agent;
struct guest_agent_ops {
	const char *name;
	void (*close)(struct guest_agent *a);

	/*
	 * Runs a command and waits for its end. -EREMOTEIO: the agent refused, with its words;
	 * -ETIMEDOUT: no answer, and it may still do it; -EPROTO: what came is no answer;
	 * -ECONNRESET: the channel is gone. After -ETIMEDOUT the next call works again.
	 */
	int (*execute)(struct guest_agent *a, const struct guest_agent_command *c, struct fault *f);
};

/* Backends embed it first. */
struct guest_agent {
	const struct guest_agent_ops *ops;
};

/*
 * The socket on which QEMU offers the channel org.qemu.guest_agent.0. -ENODEV: the machine has no
 * such channel; -ENOTCONN: nobody in the guest has opened it; -EBUSY: somebody else is connected to
 * it; -EOPNOTSUPP: it is no unix socket that QEMU listens on.
 */
int guest_agent_find(struct hypervisor *h, char path[GUEST_AGENT_PATH_BYTES], struct fault *f);

/* Connects to it; does not wait for an agent. */
int guest_agent_open(const char *path, struct guest_agent **a, struct fault *f);
void guest_agent_close(struct guest_agent *a); /* accepts NULL */
SCOPE_CLOSER(guest_agent_close, struct guest_agent)

/* Whether it answers, within 3 s. Errors as of execute(). */
int guest_agent_ping(struct guest_agent *a, struct fault *f);

/*
 * Sets the guest's clock to this host's. -ETIMEDOUT after at most 3 s where the agent does not
 * answer at all, after 8 s where it does and then takes too long; else as execute().
 */
int guest_agent_set_time(struct guest_agent *a, struct fault *f);
