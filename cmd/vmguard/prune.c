/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard prune: deletes the checkpoints that no rule keeps. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verb.h"

struct pruned {
	struct store *store;
	const char *guest;
	struct prune_options options;
	struct json_object *json; /* NULL: print a table */
	uint64_t kept, gone;
	uint64_t orphans; /* snapshots of disks without a checkpoint that went */
};

static void add_object(const struct pruned *p, const struct retention_choice *c)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", p->guest);
	json_add_number(o, "checkpoint", c->id.number);
	json_add_number(o, "epoch", c->id.epoch);
	json_add_number(o, "time_ms", c->time_ms);
	json_add_bool(o, "kept", c->reason);
	if (c->reason)
		json_add_text(o, "reason", c->reason);
	json_object_array_add(p->json, o);
}

static void print_row(const struct pruned *p, const struct retention_choice *c)
{
	char target[TARGET_BYTES];
	char time[32];

	if (!p->kept && !p->gone)
		printf("%-20s %-19s  %-6s  %s\n", "CHECKPOINT", "TAKEN", "", "WHY");
	printf("%-20s %-19s  %-6s  %s\n", format_target(p->guest, c->id.number, target),
	       c->is_damaged ? "-" : format_time(c->time_ms, time), c->reason ? "stays" : "goes",
	       c->reason ? c->reason : "no rule keeps it");
}

static int show(void *context, const struct retention_choice *c)
{
	struct pruned *p = context;

	if (p->json)
		add_object(p, c);
	else
		print_row(p, c);
	p->kept += c->reason != NULL;
	p->gone += c->reason == NULL;
	if (!c->reason && !p->options.dry_run)
		leftovers_remove(p->guest, &c->disks, NULL, tell_fault, NULL);
	return 0;
}

static void show_orphan(void *context, const struct disk *d, const struct fault *why)
{
	struct pruned *p = context;

	p->orphans += !why;
	if (!p->json) {
		printf("%s: snapshot %s of disk %s (%s) has no checkpoint and %s%s\n", p->guest,
		       d->snapshot, d->target, d->source, why ? "stays: " : "goes",
		       why ? why->text : "");
		return;
	}
	struct json_object *o = json_object_new_object();
	json_add_text(o, "guest", p->guest);
	json_add_text(o, "orphan", d->snapshot);
	json_add_text(o, "disk", d->target);
	json_add_text(o, "source", d->source);
	json_add_bool(o, "kept", why);
	if (why)
		json_add_text(o, "reason", why->text);
	json_object_array_add(p->json, o);
}

static int prune_guest(void *context, const char *guest, struct fault *f)
{
	struct pruned *p = context;

	const struct leftovers leftovers = {p->options.dry_run, show_orphan, p};

	p->guest = guest;
	int r = retention_prune(p->store, guest, NULL, &p->options, f);
	return r < 0 ? r : leftovers_prune(p->store, guest, &leftovers, f);
}

static int prune(const struct arguments *a, struct pruned *p, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	int r = arguments_open_store(a, &store, f);

	p->store = store;
	if (!r && a->rest_count)
		r = store_check_name(a->rest[0], f);
	if (r < 0)
		return r;
	return a->rest_count ? prune_guest(p, a->rest[0], f)
			     : guests_each(store, prune_guest, p, f);
}

static int prune_run(int argc, char **argv)
{
	struct arguments a;
	struct pruned p = {0};
	struct fault f;
	int exit;

	if (!arguments_read(&verb_prune,
			    "store keep-last keep-hourly keep-daily keep-weekly dry-run key-file "
			    "json",
			    argc, argv, &a, &exit))
		return exit;
	p.options = (struct prune_options){arguments_retention(&a), a.dry_run, show, &p};
	if (a.rest_count > 1)
		return usage_error(&verb_prune, "one NAME or none");
	if (!retention_is_set(&p.options.rules))
		return usage_error(&verb_prune, "what is to be kept? --keep-last 5, say");
	p.json = a.json ? json_object_new_array() : NULL;
	int r = prune(&a, &p, &f);
	if (a.json)
		json_print(p.json);
	else if (!r || p.kept || p.gone)
		printf("%" PRIu64 " stay, %" PRIu64 " %s\n", p.kept, p.gone,
		       a.dry_run ? "would go" : "went");
	return r < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_prune = {
	.name = "prune",
	.summary = "Deletes the checkpoints that no rule keeps, and what others left on disks.",
	.usage = "--store URI [NAME] --keep-last N … [--dry-run] [--json]",
	.help = HELP_STORE "  NAME              only this guest's; default each guest's\n" HELP_KEEP
			   "  --dry-run         only say what would go\n" HELP_KEY
			   "  --json            print a JSON array\n",
	.run = prune_run,
};
