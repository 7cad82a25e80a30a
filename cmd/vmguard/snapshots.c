/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard snapshots: what a store has, and what keeps a checkpoint in it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "verb.h"

enum { STATE_BYTES = 40 };

struct listing {
	struct store *store;
	const char *guest;
	struct json_object *json; /* NULL: print a table */
	bool any;
	struct fault damage; /* of the first checkpoint that cannot be read; code 0: none */
};

static void add_manifest(struct json_object *o, const struct manifest *m)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"time_ms", m->time_ms},
		{"ram_bytes", layout_bytes(&m->layout)},
		{"pages_total", m->layout.pages},
		{"pages_zero", m->pages_zero},
		{"pages_changed", m->pages_changed},
		{"pages_written", m->pages_written},
		{"pages_moved", m->pages_moved},
		{"bytes_written", m->bytes_written},
		{"device_bytes", m->device_bytes},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_add_number(o, numbers[i].key, numbers[i].value);
	json_add_ms(o, "pause_ms", m->pause_us);
	json_add_text(o, "machine", m->layout.machine);
	json_add_text(o, "qemu", m->qemu_version);
}

static void add_object(struct listing *l, const struct listed_checkpoint *c)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", l->guest);
	json_add_number(o, "checkpoint", c->id.number);
	json_add_number(o, "epoch", c->id.epoch);
	json_add_bool(o, "protected", c->is_protected);
	json_add_holders(o, "held_by", c->holders, c->holder_count);
	if (c->manifest)
		add_manifest(o, c->manifest);
	else
		json_add_text(o, "damaged", c->damage->text);
	json_object_array_add(l->json, o);
}

/* "damaged, protected, held", what of it is true */
static const char *format_state(const struct listed_checkpoint *c, char state[STATE_BYTES])
{
	const struct {
		bool is_so;
		const char *word;
	} words[] = {
		{!c->manifest, "damaged"},
		{c->is_protected, "protected"},
		{c->holder_count > 0, "held"},
	};
	size_t used = 0;

	snprintf(state, STATE_BYTES, "-");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].is_so)
			used += snprintf(state + used, STATE_BYTES - used, "%s%s", used ? ", " : "",
					 words[i].word);
	return state;
}

static void print_row(const struct listing *l, const struct listed_checkpoint *c)
{
	const struct manifest *m = c->manifest;
	char target[TARGET_BYTES];
	char time[32];
	char ram[16];
	char size[16];
	char pause[32];
	char state[STATE_BYTES];

	if (!l->any)
		printf("%-20s %-19s %10s %10s %10s  %-9s  %s\n", "CHECKPOINT", "TAKEN", "RAM",
		       "WRITTEN", "PAUSE", "STATE", "MACHINE");
	format_target(l->guest, c->id.number, target);
	if (!m) {
		printf("%-20s %-19s %10s %10s %10s  %-9s  -\n", target, "-", "-", "-", "-",
		       format_state(c, state));
		return;
	}
	snprintf(pause, sizeof(pause), "%.1f ms", m->pause_us / 1e3);
	printf("%-20s %-19s %10s %10s %10s  %-9s  %s\n", target, format_time(m->time_ms, time),
	       format_bytes(layout_bytes(&m->layout), ram), format_bytes(m->bytes_written, size),
	       pause, format_state(c, state), m->layout.machine);
}

static int add_checkpoint(void *context, const struct listed_checkpoint *c)
{
	struct listing *l = context;

	if (!c->manifest && l->damage.code)
		report_fault(c->damage);
	else if (!c->manifest)
		l->damage = *c->damage;
	if (l->json)
		add_object(l, c);
	else
		print_row(l, c);
	l->any = true;
	return 0;
}

static int list_guest(void *context, const char *guest, struct fault *f)
{
	struct listing *l = context;

	l->guest = guest;
	return checkpoint_list(l->store, guest, add_checkpoint, l, f);
}

static int list(const struct arguments *a, struct listing *l, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	int r = arguments_open_store(a, &store, f);

	l->store = store;
	if (!r && a->rest_count)
		r = store_check_name(a->rest[0], f);
	if (r < 0)
		return r;
	return a->rest_count ? list_guest(l, a->rest[0], f) : guests_each(store, list_guest, l, f);
}

static int print_list(const struct arguments *a)
{
	struct listing l = {.json = a->json ? json_object_new_array() : NULL};
	struct fault f;
	int r = list(a, &l, &f);

	if (a->json && (!r || l.any))
		json_print(json_object_get(l.json));
	else if (!r && !l.any)
		printf("no checkpoints in %s\n", a->store);
	json_object_put(l.json);
	if (!r && l.damage.code)
		return report_fault(&l.damage);
	return r < 0 ? report_fault(&f) : EXIT_DONE;
}

static int protect(const struct arguments *a, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	bool on = a->protect;
	const char *text = on ? a->protect : a->unprotect;
	struct target target;
	int r = parse_checkpoint(text, &target, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	if (!r)
		r = checkpoint_protect(store, target.guest, target.number, on, f);
	if (r < 0)
		return fault_wrap(f, "%s %s", on ? "protect" : "unprotect", text);
	if (!a->json) {
		printf("%s is %s\n", text, on ? "protected" : "no longer protected");
		return 0;
	}
	struct json_object *o = json_object_new_object();
	json_add_text(o, "guest", target.guest);
	json_add_number(o, "checkpoint", target.number);
	json_add_bool(o, "protected", on);
	json_print(o);
	return 0;
}

static void print_released(const struct arguments *a, const struct target *target,
			   const struct holder *lost, size_t count)
{
	char who[HOLDER_BYTES];

	if (a->json) {
		struct json_object *o = json_object_new_object();

		json_add_text(o, "guest", target->guest);
		json_add_number(o, "checkpoint", target->number);
		json_add_holders(o, "released", lost, count);
		json_print(o);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		holder_describe(&lost[i], who);
		printf("%s is no longer held by %s\n", a->release, who);
	}
	if (!count)
		printf("%s is not held\n", a->release);
}

static int release(const struct arguments *a, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	auto_free struct holder *lost = NULL;
	struct target target;
	size_t count = 0;
	int r = parse_checkpoint(a->release, &target, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	if (!r)
		r = checkpoint_release_lost(store, target.guest, target.number, &lost, &count, f);
	if (!r)
		print_released(a, &target, lost, count);
	return r < 0 ? fault_wrap(f, "release %s", a->release) : 0;
}

static int snapshots_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_snapshots, "store protect unprotect release key-file json", argc,
			    argv, &a, &exit))
		return exit;
	int changes = !!a.protect + !!a.unprotect + !!a.release;
	if (!changes)
		return a.rest_count > 1 ? usage_error(&verb_snapshots, "one NAME or none")
					: print_list(&a);
	if (a.rest_count || changes > 1)
		return usage_error(&verb_snapshots, "one at a time: a list, --protect NAME@N, "
						    "--unprotect NAME@N or --release NAME@N");
	int r = a.release ? release(&a, &f) : protect(&a, &f);
	return r < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_snapshots = {
	.name = "snapshots",
	.summary = "Lists the checkpoints in a store, or says what keeps one there.",
	.usage = "--store URI [NAME] [--json]\n"
		 "       vmguard snapshots --store URI --protect|--unprotect|--release NAME@N",
	.help = HELP_STORE
	"  NAME              only this guest's\n"
	"  --protect NAME@N  neither delete nor prune may remove this checkpoint\n"
	"  --unprotect NAME@N\n"
	"                    they may again\n"
	"  --release NAME@N  nothing is restored from it any more: for a host that is gone\n"
	"                    for good\n" HELP_KEY "  --json            print a JSON array\n",
	.run = snapshots_run,
};
