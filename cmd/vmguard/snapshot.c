/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard snapshot: one checkpoint of a running guest, or a series of them. */
#include <errno.h>
#include <stdio.h>

#include "series.h"
#include "taken.h"
#include "vmguard/hypervisor.h"
#include "vmguard/record.h"

static void draw(void *arguments, const struct capture_progress *p)
{
	const struct arguments *a = arguments;
	char what[96], note[48];

	snprintf(what, sizeof(what), "snapshot %s", a->name);
	snprintf(note, sizeof(note), "changed %.0f %%  zero %.0f %%",
		 percent(p->pages_done - p->pages_zero, p->pages_total),
		 percent(p->pages_zero, p->pages_total));
	progress_draw(&(struct progress_bar){
		.what = what,
		.total = p->pages_total,
		.done = p->pages_done,
		.bytes = p->bytes_read,
		.elapsed_ms = p->elapsed_ms,
		.note = note,
	});
}

static struct session_terms terms_of(struct arguments *a)
{
	return (struct session_terms){
		.monitor = arguments_monitor(a),
		.store = a->store,
		.guest = a->name,
		.key_file = a->key_file,
		.transfer_cpus = a->transfer_cpus,
		.encrypt_new = a->encrypt,
		.whole = a->whole,
		.keep = arguments_retention(a),
		.capture =
			{
				.spool_bytes = a->spool_bytes,
				.max_rate = a->max_rate,
				.allow_resume = a->allow_resume,
				.without_disks = a->without_disks,
				.progress = draw,
				.progress_context = a,
			},
		.tell = tell_fault,
	};
}

static int take_one(struct session *s, const struct arguments *a)
{
	struct taken t = {.prunes = retention_is_set(&s->terms.keep)};
	struct fault f;

	s->terms.capture.stop = interrupt_catch("\nstopping: QEMU has to finish its snapshot "
						"first, else the guest would hang\n");
	if (session_capture(s, &t.result, &f) < 0)
		return report_fault(record_explain(s->h, &f));
	int pruned = session_prune(s, &t.pruned, &f);
	taken_print(a, &t);
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
	s->terms.guest = a->name = name;
	return 0;
}

/* Who restores the guest holds the monitor, also where only his keeper is left. */
static void explain_silence(const struct arguments *a, struct fault *f)
{
	struct fault ignored;
	struct record record;
	struct holder qemu;

	if (f->code == -ETIMEDOUT && a->qmp && !record_find(a->qmp, &qemu, &record, &ignored))
		fault_set(f, -EPERM,
			  "the guest is still being restored (%u %% is there) and its monitor %s "
			  "is held for that: wait, or where it stands still: vmguard restore "
			  "--resume",
			  record.percent, a->qmp);
}

static int take(struct arguments *a)
{
	const struct session_terms terms = terms_of(a);
	struct session s;
	struct fault f;

	session_init(&s, &terms);
	int r = choose_name(&s, a, &f);
	if (!r)
		r = session_open(&s, &f);
	if (r < 0)
		explain_silence(a, &f);
	int exit = r < 0 ? report_fault(&f) : a->every_ms ? series_run(&s, a) : take_one(&s, a);
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
	if (!arguments_name_monitor(&verb_snapshot, &a, &exit))
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
