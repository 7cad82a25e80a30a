/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard snapshots: what a store holds. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "verb.h"

/* The names come from the store in no order. */
struct names {
	char (*names)[STORE_NAME_BYTES];
	size_t count;
};

struct listing {
	struct json_object *json; /* NULL: print a table */
	bool any;
	struct fault damage; /* of the first checkpoint that cannot be read; code 0: none */
};

static int add_name(void *context, const char *guest)
{
	struct names *n = context;
	void *names = realloc(n->names, (n->count + 1) * sizeof(*n->names));

	if (!names)
		return -ENOMEM;
	n->names = names;
	snprintf(n->names[n->count++], STORE_NAME_BYTES, "%s", guest);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct json_object *manifest_object(const struct manifest *m)
{
	struct json_object *o = json_object_new_object();
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"checkpoint", m->id.number},
		{"epoch", m->id.epoch},
		{"time_ms", m->time_ms},
		{"ram_bytes", layout_bytes(&m->layout)},
		{"pages_total", m->layout.pages},
		{"pages_zero", m->pages_zero},
		{"pages_written", m->pages_written},
		{"bytes_written", m->bytes_written},
		{"device_bytes", m->device_bytes},
	};

	json_object_object_add(o, "guest", json_object_new_string(m->guest));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_object_add(o, numbers[i].key, json_object_new_uint64(numbers[i].value));
	json_add_ms(o, "pause_ms", m->pause_us);
	json_object_object_add(o, "machine", json_object_new_string(m->layout.machine));
	json_object_object_add(o, "qemu", json_object_new_string(m->qemu_version));
	return o;
}

static void print_row(const struct manifest *m, bool head)
{
	char target[STORE_NAME_BYTES + 24];
	char time[32];
	char ram[16];
	char size[16];

	if (head)
		printf("%-20s %-19s %10s %10s %8s  %s\n", "CHECKPOINT", "TAKEN", "RAM", "WRITTEN",
		       "PAUSE", "MACHINE");
	snprintf(target, sizeof(target), "%s@%" PRIu64, m->guest, m->id.number);
	printf("%-20s %-19s %10s %10s %5.1f ms  %s\n", target, format_time(m->time_ms, time),
	       format_bytes(layout_bytes(&m->layout), ram), format_bytes(m->bytes_written, size),
	       m->pause_us / 1e3, m->layout.machine);
}

static int add_checkpoint(void *context, const struct listed_checkpoint *c)
{
	struct listing *l = context;
	const struct manifest *m = c->manifest;

	if (!m) {
		if (l->damage.code)
			report_fault(c->damage);
		else
			l->damage = *c->damage;
		return 0;
	}
	if (l->json)
		json_object_array_add(l->json, manifest_object(m));
	else
		print_row(m, !l->any);
	l->any = true;
	return 0;
}

/* One guest that cannot be read must not hide the others: it is told, the first is returned. */
static int list_guests(struct store *store, struct listing *l, struct fault *f)
{
	struct names n = {0};
	int r = store_list(store, add_name, &n, f);

	if (n.count)
		qsort(n.names, n.count, sizeof(*n.names), by_name);
	for (size_t i = 0; i < n.count; i++) {
		struct fault one;

		if (checkpoint_list(store, n.names[i], add_checkpoint, l, &one) == 0)
			continue;
		if (!r)
			*f = one;
		else
			report_fault(&one);
		r = f->code;
	}
	free(n.names);
	return r;
}

static int list(const struct arguments *a, struct listing *l, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	int r = store_open(a->store, &store, f);

	if (!r && a->rest_count)
		r = store_check_name(a->rest[0], f);
	if (r < 0)
		return r;
	return a->rest_count ? checkpoint_list(store, a->rest[0], add_checkpoint, l, f)
			     : list_guests(store, l, f);
}

static int snapshots_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	struct listing l = {0};
	int exit;

	if (!arguments_read(&verb_snapshots, "store json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count > 1)
		return usage_error(&verb_snapshots, "one NAME or none");
	l.json = a.json ? json_object_new_array() : NULL;
	int r = list(&a, &l, &f);
	if (a.json && (!r || l.any))
		printf("%s\n", json_object_to_json_string_ext(l.json, JSON_C_TO_STRING_PLAIN));
	else if (!r && !l.any)
		printf("no checkpoints in %s\n", a.store);
	json_object_put(l.json);
	if (!r && l.damage.code)
		return report_fault(&l.damage);
	return r < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_snapshots = {
	.name = "snapshots",
	.summary = "Lists the checkpoints in a store.",
	.usage = "--store URI [NAME] [--json]",
	.help = "  --store URI   dir:PATH or rbd:POOL[/PREFIX][?conf=FILE&id=USER]\n"
		"  NAME          only this guest's\n"
		"  --json        print a JSON array\n",
	.run = snapshots_run,
};
