/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libvirt/link.h"
#include "vmguard/clock.h"

enum { RETRY_US = 50000 };

struct libvirt_agent {
	struct guest_agent base;
	char *uri; /* NULL: libvirt chooses */
	char domain[VIR_UUID_STRING_BUFLEN];
};

static void libvirt_agent_close(struct guest_agent *base)
{
	struct libvirt_agent *a = (struct libvirt_agent *)base;

	free(a->uri);
	free(a);
}

static int execute_once(const struct libvirt_agent *a, const char *text, int limit_ms,
			struct fault *f)
{
	struct link *link;
	int r = link_open(a->uri, a->domain, NULL, &link, f);

	if (r < 0)
		return r;
	r = link_agent(link, text, (limit_ms + 999) / 1000, f);
	link_close(link);
	return r;
}

/*
 * Again where libvirtd is started anew, and where libvirt is not connected to the agent yet: it is
 * once QEMU has told that the guest has opened its end.
 */
static int execute_text(const struct libvirt_agent *a, const char *text, int limit_ms,
			struct fault *f)
{
	int64_t until = monotonic_ms() + limit_ms;
	int r = execute_once(a, text, limit_ms, f);

	while ((r == -ETIMEDOUT || r == -ECONNRESET || r == -EHOSTUNREACH) &&
	       monotonic_ms() < until) {
		sleep_us(RETRY_US);
		r = execute_once(a, text, limit_ms, f);
	}
	return r;
}

static int libvirt_agent_execute(struct guest_agent *base, const struct guest_agent_command *c,
				 struct fault *f)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "execute", json_object_new_string(c->name));
	if (c->arguments)
		json_object_object_add(object, "arguments", c->arguments);
	int r = execute_text((struct libvirt_agent *)base,
			     json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
			     c->limit_ms, f);
	json_object_put(object);
	return r < 0 ? fault_wrap(f, "%s to the guest agent", c->name) : 0;
}

int agent_open(const char *uri, const char *domain, struct guest_agent **a, struct fault *f)
{
	static const struct guest_agent_ops ops = {
		.name = "libvirt",
		.close = libvirt_agent_close,
		.execute = libvirt_agent_execute,
	};
	struct libvirt_agent *made = calloc(1, sizeof(*made));

	*a = NULL;
	if (!made || (uri && !(made->uri = strdup(uri)))) {
		free(made);
		return fault_errno(f, -ENOMEM, "connect to the guest agent");
	}
	made->base.ops = &ops;
	snprintf(made->domain, sizeof(made->domain), "%s", domain);
	*a = &made->base;
	return 0;
}
