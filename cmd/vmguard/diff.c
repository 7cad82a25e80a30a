/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard diff: what changed from one checkpoint to another, by RAM block. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verb.h"

struct diff {
	struct target older, newer;
	struct json_object *json; /* NULL: print a table */
	struct block_difference total;
};

static void print_row(const struct block_difference *d)
{
	char size[16];

	printf("%10" PRIu64 " %10" PRIu64 " %10s %6.1f %%  %s\n", d->pages, d->pages_changed,
	       format_bytes(d->bytes_changed, size), percent(d->pages_changed, d->pages), d->block);
}

static void add_figures(struct json_object *o, const struct block_difference *d)
{
	json_add_number(o, "pages", d->pages);
	json_add_number(o, "pages_changed", d->pages_changed);
	json_add_number(o, "bytes_changed", d->bytes_changed);
}

static int add_block(void *context, const struct block_difference *d)
{
	struct diff *diff = context;

	if (diff->json) {
		struct json_object *o = json_object_new_object();

		json_add_text(o, "block", d->block);
		add_figures(o, d);
		json_object_array_add(diff->json, o);
	} else {
		print_row(d);
	}
	diff->total.pages += d->pages;
	diff->total.pages_changed += d->pages_changed;
	diff->total.bytes_changed += d->bytes_changed;
	return 0;
}

static void print_json(struct diff *d)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", d->older.guest);
	json_add_number(o, "older", d->older.number);
	json_add_number(o, "newer", d->newer.number);
	add_figures(o, &d->total);
	json_object_object_add(o, "blocks", json_object_get(d->json));
	json_print(o);
}

static int compare(const struct arguments *a, struct diff *d, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	auto_of(checkpoint_close) struct checkpoint *older = NULL;
	auto_of(checkpoint_close) struct checkpoint *newer = NULL;
	int r = arguments_open_store(a, &store, f);

	if (!r)
		r = checkpoint_open(store, d->older.guest, d->older.number, &older, f);
	if (!r)
		r = checkpoint_open(store, d->newer.guest, d->newer.number, &newer, f);
	if (r < 0)
		return r;
	if (!d->json)
		printf("%10s %10s %10s %8s  %s\n", "PAGES", "CHANGED", "BYTES", "", "BLOCK");
	return checkpoint_diff(older, newer, add_block, d, f);
}

static int diff(const struct arguments *a, struct fault *f)
{
	struct diff d = {.total.block = "all"};
	int r = parse_checkpoint(a->rest[0], &d.older, f);

	if (!r)
		r = parse_checkpoint(a->rest[1], &d.newer, f);
	if (r < 0)
		return r;
	if (strcmp(d.older.guest, d.newer.guest) != 0)
		return fault_set(f, -EINVAL, "%s and %s are two guests: compare one's checkpoints",
				 d.older.guest, d.newer.guest);
	if (d.older.number > d.newer.number) {
		struct target newer = d.older;

		d.older = d.newer;
		d.newer = newer;
	}
	d.json = a->json ? json_object_new_array() : NULL;
	r = compare(a, &d, f);
	if (!r && d.json)
		print_json(&d);
	else if (!r)
		print_row(&d.total);
	json_object_put(d.json);
	return r;
}

static int diff_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_diff, "store key-file json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 2)
		return usage_error(&verb_diff, "two checkpoints of a guest are needed");
	return diff(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_diff = {
	.name = "diff",
	.summary = "Says what changed between two checkpoints of a guest.",
	.usage = "--store URI NAME@A NAME@B [--json]",
	.help = HELP_STORE "  NAME@A NAME@B     in any order\n" HELP_KEY
			   "  --json            print one JSON object\n",
	.run = diff_run,
};
