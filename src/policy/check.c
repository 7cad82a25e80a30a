/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which settings go together. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/policy.h"

static int check_guest(const struct policy *p, struct fault *f)
{
	if (!*p->domain && !*p->qmp)
		return fault_set(f, -EINVAL,
				 "which guest is it? domain or qmp of its policy says so");
	if (*p->domain && *p->qmp)
		return fault_set(f, -EINVAL,
				 "domain \"%.80s\" or qmp \"%s\"? A policy has one of them, and "
				 "none for the other",
				 p->domain, p->qmp);
	if (*p->connect && !*p->domain)
		return fault_set(f, -EINVAL,
				 "connect is for a domain, and the policy has a qmp socket: "
				 "set connect to default");
	return 0;
}

/* No rule at all would fill the store. */
static int check_retention(const struct policy *p, struct fault *f)
{
	if (retention_is_set(&p->keep))
		return 0;
	return fault_set(f, -EINVAL,
			 "keep-last, keep-hourly, keep-daily and keep-weekly are all 0: at least "
			 "one of them says which checkpoints stay");
}

static int check_hosts(const struct policy *p, struct fault *f)
{
	size_t length;

	if (!*p->allowed_hosts)
		return 0;
	for (const char *at = p->preferred_hosts; *at; at += length + (at[length] == ',')) {
		char host[POLICY_HOSTS_BYTES];

		length = strcspn(at, ",");
		snprintf(host, sizeof(host), "%.*s", (int)length, at);
		if (!policy_has_host(p->allowed_hosts, host))
			return fault_set(f, -EINVAL,
					 "preferred-hosts has %.64s, which allowed-hosts has not",
					 host);
	}
	return 0;
}

/* Its disks went on since: memory that does not know it would destroy their filesystems. */
static int check_disks(const struct policy *p, struct fault *f)
{
	if (!p->without_disks || p->on_failure != POLICY_RESUME)
		return 0;
	return fault_set(
		f, -EINVAL,
		"on-failure resume needs the disks of the checkpoint: set without-disks to "
		"no, or on-failure to reboot or manual");
}

int policy_check(const struct policy *p, struct fault *f)
{
	int r = check_guest(p, f);

	if (!r)
		r = check_retention(p, f);
	if (!r)
		r = check_hosts(p, f);
	return r ? r : check_disks(p, f);
}
