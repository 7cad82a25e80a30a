/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/state.h"

#include <errno.h>
#include <stddef.h>

static const char *operation_name(int operation)
{
	static const char *const names[] = {
		[VIR_DOMAIN_JOB_OPERATION_UNKNOWN] = "one that it does not name",
		[VIR_DOMAIN_JOB_OPERATION_START] = "start",
		[VIR_DOMAIN_JOB_OPERATION_SAVE] = "save",
		[VIR_DOMAIN_JOB_OPERATION_RESTORE] = "restore",
		[VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN] = "migration to here",
		[VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT] = "migration away",
		[VIR_DOMAIN_JOB_OPERATION_SNAPSHOT] = "snapshot",
		[VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT] = "snapshot-revert",
		[VIR_DOMAIN_JOB_OPERATION_DUMP] = "dump",
		[VIR_DOMAIN_JOB_OPERATION_BACKUP] = "backup",
	};

	if (operation < 0 || (size_t)operation >= sizeof(names) / sizeof(names[0]) ||
	    !names[operation])
		return names[VIR_DOMAIN_JOB_OPERATION_UNKNOWN];
	return names[operation];
}

/* Paused by libvirt, which resumes it by itself; one that its user paused is QEMU's to judge. */
static bool is_paused_for_work(const struct link_state *s)
{
	if (s->state != VIR_DOMAIN_PAUSED)
		return false;
	switch (s->reason) {
	case VIR_DOMAIN_PAUSED_MIGRATION:
	case VIR_DOMAIN_PAUSED_SAVE:
	case VIR_DOMAIN_PAUSED_DUMP:
	case VIR_DOMAIN_PAUSED_SNAPSHOT:
	case VIR_DOMAIN_PAUSED_STARTING_UP:
	case VIR_DOMAIN_PAUSED_POSTCOPY:
	case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
		return true;
	default:
		return false;
	}
}

int state_check(const struct link_state *s, struct fault *f)
{
	if (s->job != VIR_DOMAIN_JOB_NONE)
		return fault_set(f, -EPERM,
				 "libvirt is at work on the domain (job: %s): wait until that is "
				 "over, or end it with virsh domjobabort",
				 operation_name(s->operation));
	if (is_paused_for_work(s))
		return fault_set(f, -EPERM,
				 "libvirt has paused the domain for work of its own (reason %d): "
				 "wait until it runs",
				 s->reason);
	if (s->state == VIR_DOMAIN_SHUTDOWN)
		return fault_set(f, -EPERM, "the domain is shutting down");
	return 0;
}
