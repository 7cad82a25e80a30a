/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard snapshot: one checkpoint of a running guest, or a series of them. */
#include <stdio.h>

#include "series.h"
#include "taken.h"
#include "vmguard/hypervisor.h"

static int take_one(struct session *s)
{
	struct retention rules = arguments_retention(s->arguments);
	struct taken t = {.prunes = retention_is_set(&rules)};
	struct fault f;

	s->options.stop = interrupt_catch("\nstopping: QEMU has to finish its snapshot first, "
					  "else the guest would hang\n");
	if (session_capture(s, &t.result, &f) < 0)
		return report_fault(&f);
	int pruned = session_prune(s, &t.pruned, &f);
	taken_print(s->arguments, &t);
	return pruned < 0 ? report_fault(&f) : EXIT_DONE;
}

/* Without --name a domain's own name is taken. */
static int choose_name(struct session *s, struct arguments *a, struct fault *f)
{
	static char name[STORE_NAME_BYTES];

	if (a->name)
		return store_check_name(a->name, f);
	int r = session_open_monitor(s, f);
	if (r < 0)
		return r;
	if (store_check_name(s->h->guest, f) < 0)
		return fault_wrap(f, "the domain needs another name in the store: --name NAME");
	snprintf(name, sizeof(name), "%.*s", STORE_NAME_BYTES - 1, s->h->guest);
	a->name = name;
	return 0;
}

static int take(struct arguments *a)
{
	struct session s;
	struct fault f;

	session_init(&s, a);
	int r = choose_name(&s, a, &f);
	if (!r)
		r = session_open(&s, &f);
	int exit = r < 0 ? report_fault(&f) : a->every_ms ? series_run(&s) : take_one(&s);
	session_close(&s);
	return exit;
}

static int snapshot_run(int argc, char **argv)
{
	struct arguments a;
	int exit;

	if (!arguments_read(
		    &verb_snapshot,
		    "qmp connect domain store name every count keep-last keep-hourly keep-daily "
		    "keep-weekly spool max-rate transfer-cpus allow-resume without-disks "
		    "key-file "
		    "encrypt whole json",
		    argc, argv, &a, &exit))
		return exit;
	if (a.rest_count)
		return usage_error(&verb_snapshot, "what is \"%s\"?", a.rest[0]);
	if (!monitor_is_named(&verb_snapshot, &a, &exit))
		return exit;
	if (a.qmp && !a.name)
		return usage_error(&verb_snapshot, "--name says what the guest is called in the "
						   "store");
	if (a.count && !a.every_ms)
		return usage_error(&verb_snapshot, "--count is how many of a series: --every 10s, "
						   "say, is missing");
	return take(&a);
}

const struct verb verb_snapshot = {
	.name = "snapshot",
	.summary = "Takes a checkpoint of a running guest, with its memory and disks.",
	.usage = "(--qmp PATH --name NAME | --domain NAME [--connect URI]) --store URI\n"
		 "       [--every TIME [--count N]] [--keep-last N …] [OPTIONS]",
	.help = HELP_GUEST HELP_STORE
	"  --name NAME       the guest's name in the store; default the domain's\n"
	"  --whole           store every page anew, also those that did not change\n"
	"  --allow-resume    take a paused guest too; it runs afterwards\n"
	"  --without-disks   leave its disks out: the checkpoint is of its memory alone\n"
	"  --json            print one JSON object, in a series one a line\n"
	"\nA series:\n"
	"  --every TIME      take one every 500ms, 10s, 5m or 1h, until ^C\n"
	"  --count N         end after N\n"
	"\nAfter each checkpoint:\n" HELP_KEEP "\nEncryption:\n" HELP_KEY
	"  --encrypt         encrypt the image that the first checkpoint makes\n"
	"\nWhat the transfer may use:\n"
	"  --spool SIZE      memory between QEMU and the store (512M, 2G); default a\n"
	"                    quarter of the guest's RAM, at least 32M\n"
	"  --max-rate SIZE   bytes a second to the store (100M)\n"
	"  --transfer-cpus LIST\n"
	"                    CPUs, as 0-3,8; default those on which no vCPU may run\n",
	.run = snapshot_run,
};
