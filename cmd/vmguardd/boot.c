/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest whose policy says so boots from its disks as they are. Its QEMU is dead: nothing on this
 * host is left of a capture. How one was that libvirt does not have defined its last checkpoint
 * knows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

struct boot {
	struct job base;
	struct guest *guest; /* the loop's: only done() looks at it */
	struct policy policy;
	char name[STORE_NAME_BYTES], store[CONFIG_TEXT_BYTES], uuid[LIBVIRT_UUID_BYTES];
	struct fault fault;
};

static const char *uri_of(const struct boot *b)
{
	return b->policy.connect[0] ? b->policy.connect : NULL;
}

static int boot_defined(struct boot *b)
{
	struct libvirt_domain domain = {.uri = uri_of(b), .id = -1};

	if (!b->uuid[0]) /* nobody has seen it yet */
		return -ENOENT;
	snprintf(domain.name, sizeof(domain.name), "%.*s", LIBVIRT_NAME_BYTES - 1, b->name);
	snprintf(domain.uuid, sizeof(domain.uuid), "%s", b->uuid);
	return libvirt_domain_boot(&domain, &b->fault);
}

static int boot_as_checkpoint_says(struct boot *b)
{
	auto_of(store_close) struct store *s = NULL;
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	const char *key = b->policy.key_file[0] ? b->policy.key_file : NULL;
	struct libvirt_domain domain;
	int r = store_open_with_key(b->store, key, false, &s, &b->fault);

	if (!r)
		r = checkpoint_open(s, b->name, 0, &c, &b->fault);
	if (r < 0)
		return fault_wrap(&b->fault,
				  "libvirt does not have it defined, how it was its last "
				  "checkpoint would know");
	const char *xml = checkpoint_manifest(c)->xml;
	if (!xml)
		return fault_set(&b->fault, -EOPNOTSUPP,
				 "libvirt does not have it defined, and its last checkpoint does "
				 "not say how it was: start it");
	r = libvirt_domain_read(&domain, uri_of(b), xml, &b->fault);
	return r < 0 ? r : libvirt_domain_boot(&domain, &b->fault);
}

static int run(struct job *base)
{
	struct boot *b = (struct boot *)base;
	int r = boot_defined(b);

	return r == -ENOENT ? boot_as_checkpoint_says(b) : r;
}

static void leave(struct job *base)
{
	free(base);
}

static void done(struct job *base)
{
	struct boot *b = (struct boot *)base;
	struct guest *g = b->guest;
	struct daemon *d = g->daemon;
	const char *why = base->result == 0 ? NULL
			  : b->fault.code   ? b->fault.text
					    : "vmguardd was ending";
	const struct guard_news news = {.event = why ? GUARD_RESTORE_FAILED : GUARD_RESTORED,
					.why = why};

	requests_end(g, 0, why);
	guard_tell(&g->guard, &news, daemon_now_ms());
	free(b);
	daemon_step(d);
}

int boot_begin(struct guest *g, struct fault *f)
{
	struct boot *b = calloc(1, sizeof(*b));

	if (!b)
		return fault_errno(f, -ENOMEM, "boot %s", g->name);
	*b = (struct boot){.base = {.run = run, .done = done, .leave = leave},
			   .guest = g,
			   .policy = g->policy};
	snprintf(b->name, sizeof(b->name), "%s", g->name);
	snprintf(b->uuid, sizeof(b->uuid), "%s", g->uuid);
	snprintf(b->store, sizeof(b->store), "%s", g->daemon->config.store);
	int r = jobs_add(g->daemon->others, &b->base, f);
	if (r < 0)
		free(b);
	return r;
}
