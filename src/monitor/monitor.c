/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/monitor.h"

#include "vmguard/libvirt.h"
#include "vmguard/rescue.h"

int monitor_open(const struct monitor_address *at, struct hypervisor **h, struct fault *f)
{
	return at->qmp ? hypervisor_open_qmp(at->qmp, h, f)
		       : hypervisor_open_libvirt(at->connect, at->domain, h, f);
}

pid_t monitor_find_pid(const struct monitor_address *at, struct fault *f)
{
	return at->qmp ? rescue_find_pid(at->qmp, f) : libvirt_find_pid(at->connect, at->domain, f);
}

int monitor_clear_settings(struct hypervisor *h, struct fault *f)
{
	int r = hypervisor_set_capability(h, "background-snapshot", false, f);

	return r < 0 ? r : hypervisor_unbar_migration(h, f);
}
