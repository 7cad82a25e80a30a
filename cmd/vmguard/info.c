/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard info: what is known of a checkpoint beside its pages. */
#include <inttypes.h>
#include <stdio.h>

#include "verb.h"

struct info {
	const struct manifest *m;
	bool is_protected, is_encrypted;
	struct holder *holders; /* that are being restored from it */
	size_t holder_count;
};

static void add_blocks(struct json_object *o, const struct ram_layout *l)
{
	struct json_object *blocks = json_object_new_array();

	for (size_t i = 0; i < l->block_count; i++) {
		struct json_object *block = json_object_new_object();

		json_add_text(block, "name", l->blocks[i].name);
		json_add_number(block, "bytes", l->blocks[i].bytes);
		json_object_array_add(blocks, block);
	}
	json_object_object_add(o, "blocks", blocks);
}

static void add_disks(struct json_object *o, const struct disk_list *l)
{
	struct json_object *disks = json_object_new_array();

	for (size_t i = 0; i < l->count; i++) {
		struct json_object *disk = json_object_new_object();

		json_add_text(disk, "target", l->disks[i].target);
		json_add_text(disk, "source", l->disks[i].source);
		json_add_text(disk, "snapshot", l->disks[i].snapshot);
		json_add_number(disk, "bytes", l->disks[i].bytes);
		json_object_array_add(disks, disk);
	}
	json_object_object_add(o, "disks", disks);
}

static void print_json(const struct info *i)
{
	const struct manifest *m = i->m;
	struct json_object *o = json_object_new_object();
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"checkpoint", m->id.number},
		{"epoch", m->id.epoch},
		{"time_ms", m->time_ms},
		{"ram_bytes", layout_bytes(&m->layout)},
		{"page_bytes", m->layout.page_bytes},
		{"pages_total", m->layout.pages},
		{"pages_zero", m->pages_zero},
		{"base", m->base},
		{"pages_changed", m->pages_changed},
		{"bytes_changed", m->pages_changed * m->layout.page_bytes},
		{"pages_written", m->pages_written},
		{"pages_moved", m->pages_moved},
		{"bytes_written", m->bytes_written},
		{"device_bytes", m->device_bytes},
		{"index_of", m->index.checkpoint},
		{"deltas", m->delta_count},
	};

	json_add_text(o, "guest", m->guest);
	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
		json_add_number(o, numbers[k].key, numbers[k].value);
	json_add_ms(o, "pause_ms", m->pause_us);
	json_add_pause(o, &m->pause);
	add_disks(o, &m->disks);
	json_add_text(o, "machine", m->layout.machine);
	json_add_text(o, "qemu", m->qemu_version);
	add_blocks(o, &m->layout);
	json_add_bool(o, "protected", i->is_protected);
	json_add_holders(o, "held_by", i->holders, i->holder_count);
	json_add_bool(o, "encrypted", i->is_encrypted);
	json_print(o);
}

static void print_changes(const struct manifest *m)
{
	char size[16];

	printf("  changed       %" PRIu64 " pages (%.1f %%), %s, ", m->pages_changed,
	       percent(m->pages_changed, m->layout.pages),
	       format_bytes(m->pages_changed * m->layout.page_bytes, size));
	if (m->base)
		printf("since checkpoint %" PRIu64 "\n", m->base);
	else
		printf("with nothing to compare with\n");
	printf("  written       %s, %" PRIu64 " pages packed anew among it\n",
	       format_bytes(m->bytes_written, size), m->pages_moved);
}

static void print_memory(const struct ram_layout *l, uint64_t pages_zero)
{
	char size[16];
	char page[16];

	printf("  memory        %s, %" PRIu64 " pages of %s, %" PRIu64 " zero (%.1f %%)\n",
	       format_bytes(layout_bytes(l), size), l->pages, format_bytes(l->page_bytes, page),
	       pages_zero, percent(pages_zero, l->pages));
	for (size_t i = 0; i < l->block_count; i++)
		printf("    %10s  %s\n", format_bytes(l->blocks[i].bytes, size), l->blocks[i].name);
}

static void print_text(const struct info *i)
{
	const struct manifest *m = i->m;
	char text[TARGET_BYTES];
	char who[HOLDER_BYTES];
	char time[32];
	char size[16];

	printf("%s\n", format_target(m->guest, m->id.number, text));
	printf("  taken         %s, guest paused %.1f ms\n", format_time(m->time_ms, time),
	       m->pause_us / 1e3);
	printf("  machine       %s, QEMU %s\n", m->layout.machine, m->qemu_version);
	print_memory(&m->layout, m->pages_zero);
	print_changes(m);
	for (size_t k = 0; k < m->disks.count; k++)
		printf("  disk          %s, %s, snapshot %s of %s\n", m->disks.disks[k].target,
		       format_bytes(m->disks.disks[k].bytes, size), m->disks.disks[k].snapshot,
		       m->disks.disks[k].source);
	printf("  device state  %s\n", format_bytes(m->device_bytes, size));
	printf("  index         of checkpoint %" PRIu64 ", and %zu deltas since\n",
	       m->index.checkpoint, m->delta_count);
	printf("  protected     %s\n", i->is_protected ? "yes" : "no");
	for (size_t k = 0; k < i->holder_count; k++) {
		holder_describe(&i->holders[k], who);
		printf("  held by       %s\n", who);
	}
	printf("  encrypted     %s\n", i->is_encrypted ? "yes" : "no");
}

static int ask_store(struct store *s, struct info *i, struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;
	int r = store_image_open(s, i->m->guest, STORE_READ, NULL, &image, f);

	if (!r)
		r = store_is_protected(image, i->m->id, f);
	if (r < 0)
		return r;
	i->is_protected = r;
	return store_holders(image, i->m->id, &i->holders, &i->holder_count, f);
}

static int info(const struct arguments *a, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct target target;
	struct info i = {0};
	int r = parse_target(a->rest[0], &target, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	if (!r)
		r = checkpoint_open(store, target.guest, target.number, &c, f);
	if (r)
		return r;
	i.m = checkpoint_manifest(c);
	r = ask_store(store, &i, f);
	if (r < 0)
		return r;
	i.is_encrypted = store->key; /* a key that does not fit would have been refused */
	if (a->json)
		print_json(&i);
	else
		print_text(&i);
	free(i.holders);
	return 0;
}

static int info_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_info, "store key-file json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1)
		return usage_error(&verb_info, "one NAME or NAME@N is needed");
	return info(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_info = {
	.name = "info",
	.summary = "Says what is known of a checkpoint.",
	.usage = "--store URI NAME[@N] [--json]",
	.help = HELP_STORE
	"  NAME[@N]          the guest, and which checkpoint; default its newest\n" HELP_KEY
	"  --json            print one JSON object\n",
	.run = info_run,
};
