/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard snapshot: one checkpoint of a running guest. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "verb.h"
#include "vmguard/capture.h"

static void draw(void *name, const struct capture_progress *p)
{
	char what[96];

	snprintf(what, sizeof(what), "snapshot %s", (const char *)name);
	progress_draw(&(struct progress_bar){
		.what = what,
		.total = p->pages_total,
		.done = p->pages_done,
		.zero = p->pages_zero,
		.bytes = p->bytes_read,
		.elapsed_ms = p->elapsed_ms,
		.show_zero = true,
	});
}

static void add(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void print_json(const char *guest, const struct capture_result *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "guest", json_object_new_string(guest));
	add(o, "checkpoint", r->id.number);
	add(o, "epoch", r->id.epoch);
	json_add_ms(o, "pause_ms", r->pause_us);
	add(o, "total_ms", r->total_ms);
	add(o, "pages_total", r->pages_total);
	add(o, "pages_zero", r->pages_zero);
	add(o, "pages_written", r->pages_written);
	add(o, "bytes_written", r->bytes_written);
	add(o, "stream_bytes", r->stream_bytes);
	add(o, "device_bytes", r->device_bytes);
	add(o, "spool_bytes", r->spool_bytes);
	add(o, "spool_used_bytes", r->spool_used_bytes);
	add(o, "spool_full_ms", r->spool_full_ms);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void print_text(const char *guest, const struct capture_result *r)
{
	char size[16];

	progress_wipe();
	printf("%s@%" PRIu64 ": %s in %.1f s, guest paused %.1f ms, %" PRIu64 " of %" PRIu64
	       " pages are zero\n",
	       guest, r->id.number, format_bytes(r->bytes_written, size), r->total_ms / 1e3,
	       r->pause_us / 1e3, r->pages_zero, r->pages_total);
	if (r->spool_full_ms >= 100)
		printf("the spool was full for %.1f s and the guest may have waited: a larger "
		       "--spool or a faster store helps\n",
		       r->spool_full_ms / 1e3);
}

static int take_snapshot(const struct arguments *a, struct capture_result *result, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	auto_of(image_close) struct image *image = NULL;
	struct capture_options options = {
		.spool_bytes = a->spool_bytes,
		.allow_resume = a->allow_resume,
		.progress = draw,
		.progress_context = (void *)a->name,
	};
	int r = store_check_name(a->name, f);

	if (!r)
		r = store_open(a->store, &store, f);
	if (!r)
		r = hypervisor_open_qmp(a->qmp, &h, f);
	if (!r)
		r = image_open(store, a->name, &image, f);
	if (r < 0)
		return r;
	options.stop = interrupt_catch("\nstopping: QEMU has to finish its snapshot first, else "
				       "the guest would hang\n");
	return capture_run(h, image, &options, result, f);
}

static int snapshot_run(int argc, char **argv)
{
	struct arguments a;
	struct capture_result result;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_snapshot, "qmp store name spool allow-resume json", argc, argv,
			    &a, &exit))
		return exit;
	if (!a.qmp || !a.name || a.rest_count)
		return usage_error(&verb_snapshot,
				   a.rest_count ? "what is \"%s\"?"
						: "--qmp and --name are needed%s",
				   a.rest_count ? a.rest[0] : "");
	if (take_snapshot(&a, &result, &f) < 0)
		return report_fault(&f);
	if (a.json)
		print_json(a.name, &result);
	else
		print_text(a.name, &result);
	return EXIT_DONE;
}

const struct verb verb_snapshot = {
	.name = "snapshot",
	.summary = "Takes a checkpoint of a running guest, with its memory.",
	.usage = "--qmp PATH --store URI --name NAME [--spool SIZE] [--allow-resume] [--json]",
	.help = "  --qmp PATH       the QMP socket of the guest's QEMU\n"
		"  --store URI      dir:PATH or rbd:POOL[/PREFIX][?conf=FILE&id=USER]\n"
		"  --name NAME      the guest's name in the store\n"
		"  --spool SIZE     memory between QEMU and the store (512M, 2G); default a "
		"quarter\n"
		"                   of the guest's RAM, at least 32M\n"
		"  --allow-resume   take a paused guest too; it runs afterwards\n"
		"  --json           print one JSON object\n",
	.run = snapshot_run,
};
