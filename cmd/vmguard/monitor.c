/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running guest that the command line names: --qmp, or --domain with --connect. */
#include "verb.h"
#include "vmguard/hypervisor.h"
#include "vmguard/libvirt.h"
#include "vmguard/rescue.h"

bool monitor_is_named(const struct verb *verb, const struct arguments *a, int *exit)
{
	if (a->qmp && (a->domain || a->connect))
		*exit = usage_error(verb, "either --qmp or --domain, not both");
	else if (!a->qmp && !a->domain)
		*exit = usage_error(verb, "which guest? --qmp PATH, or --domain NAME of libvirt");
	else
		return true;
	return false;
}

int monitor_open(const struct arguments *a, struct hypervisor **h, struct fault *f)
{
	return a->qmp ? hypervisor_open_qmp(a->qmp, h, f)
		      : hypervisor_open_libvirt(a->connect, a->domain, h, f);
}

pid_t monitor_find_pid(const struct arguments *a, struct fault *f)
{
	return a->qmp ? rescue_find_pid(a->qmp, f) : libvirt_find_pid(a->connect, a->domain, f);
}
