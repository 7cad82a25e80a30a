/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard rescue: a guest whose snapshot lost its reader runs again. */
#include <stdio.h>

#include "verb.h"
#include "vmguard/session.h"

static int rescue_run(int argc, char **argv)
{
	struct rescue_report report = {0};
	struct monitor_address at;
	struct arguments a;
	struct fault f;
	char state[32];
	char size[16];
	int exit;

	if (!arguments_read(&verb_rescue, "qmp connect domain", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count)
		return usage_error(&verb_rescue, "what is \"%s\"?", a.rest[0]);
	if (!arguments_name_monitor(&verb_rescue, &a, &exit))
		return exit;
	at = arguments_monitor(&a);
	if (session_rescue(&at, &report, state, &f) < 0)
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
