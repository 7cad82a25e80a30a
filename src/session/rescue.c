/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest whose snapshot lost its reader runs again. */
#include <errno.h>

#include "vmguard/session.h"

enum { QUIET_MS = 5000 };

/* Whether QEMU still writes a snapshot; a monitor that hangs is no answer, and no. */
static bool still_writing(const struct monitor_address *at)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	char status[32];
	struct fault f;

	return !monitor_open(at, &h, &f) && !hypervisor_migration_status(h, status, &f) &&
	       !migration_is_over(status);
}

/* The monitor answers again: no setting stays behind, and how is the guest? */
static int settle(const struct monitor_address *at, char state[32], struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = monitor_open(at, &h, f);

	if (!r)
		r = monitor_clear_settings(h, f);
	if (!r)
		r = hypervisor_run_state(h, state, f);
	return r;
}

int session_rescue(const struct monitor_address *at, struct rescue_report *report, char state[32],
		   struct fault *f)
{
	pid_t pid = monitor_find_pid(at, f);

	if (pid < 0)
		return pid;
	int r = rescue_drain(pid, QUIET_MS, report, f);
	if (r < 0)
		return r;
	if (still_writing(at))
		return fault_set(f, -EBUSY,
				 "QEMU is migrating, or writes a snapshot to somebody else: "
				 "nothing was changed");
	r = rescue_release(pid, report, f);
	return r < 0 ? r : settle(at, state, f);
}
