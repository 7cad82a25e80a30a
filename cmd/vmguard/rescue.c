/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard rescue: a guest whose snapshot lost its reader runs again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "verb.h"
#include "vmguard/hypervisor.h"
#include "vmguard/rescue.h"

enum { QUIET_MS = 5000 };

/* Whether QEMU still writes a snapshot; a monitor that hangs is no answer, and no. */
static bool still_writing(const struct arguments *a)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	char status[32];
	struct fault f;

	return !monitor_open(a, &h, &f) && !hypervisor_migration_status(h, status, &f) &&
	       !migration_is_over(status);
}

/* The monitor answers again: no setting stays behind, and how is the guest? */
static int settle(const struct arguments *a, char state[32], struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = monitor_open(a, &h, f);

	if (!r)
		r = hypervisor_set_capability(h, "background-snapshot", false, f);
	if (!r)
		r = hypervisor_unbar_migration(h, f);
	if (!r)
		r = hypervisor_run_state(h, state, f);
	return r;
}

static int rescue(const struct arguments *a, struct rescue_report *report, char state[32],
		  struct fault *f)
{
	pid_t pid = monitor_find_pid(a, f);

	if (pid < 0)
		return pid;
	int r = rescue_drain(pid, QUIET_MS, report, f);
	if (r < 0)
		return r;
	if (still_writing(a))
		return fault_set(f, -EBUSY,
				 "QEMU is migrating, or writes a snapshot to somebody else: "
				 "nothing was changed");
	r = rescue_release(pid, report, f);
	return r < 0 ? r : settle(a, state, f);
}

static int rescue_run(int argc, char **argv)
{
	struct rescue_report report = {0};
	struct arguments a;
	struct fault f;
	char state[32];
	char size[16];
	int exit;

	if (!arguments_read(&verb_rescue, "qmp connect domain", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count)
		return usage_error(&verb_rescue, "what is \"%s\"?", a.rest[0]);
	if (!monitor_is_named(&verb_rescue, &a, &exit))
		return exit;
	if (rescue(&a, &report, state, &f) < 0)
		return report_fault(&f);
	printf("the guest is %s; drained %s, released %u areas of its memory\n", state,
	       format_bytes(report.drained_bytes, size), report.areas_released);
	return EXIT_DONE;
}

const struct verb verb_rescue = {
	.name = "rescue",
	.summary = "Frees a guest that hangs after a snapshot whose vmguard died.",
	.usage = "--qmp PATH | --domain NAME [--connect URI]",
	.help = HELP_GUEST
	"\nDrains what QEMU still writes, takes left write protection off the guest's\n"
	"memory, and switches the snapshot capability off. Does no harm to a guest\n"
	"that does not hang.\n",
	.run = rescue_run,
};
