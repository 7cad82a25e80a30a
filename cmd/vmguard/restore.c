/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard restore: a checkpoint goes on, in a QEMU that waits or in one started here. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "verb.h"
#include "vmguard/restore.h"

struct restored {
	struct target target;
	uint64_t number;
	struct qemu_process qemu; /* pid 0: not started here */
	struct restore_result result;
};

static void draw(void *name, const struct restore_progress *p)
{
	char what[96];

	snprintf(what, sizeof(what), "restore %s", (const char *)name);
	progress_draw(&(struct progress_bar){
		.what = what,
		.total = p->pages_total,
		.done = p->pages_done,
		.bytes = p->bytes_sent,
		.elapsed_ms = p->elapsed_ms,
	});
}

static int send_checkpoint(struct checkpoint *c, struct hypervisor *h, struct restored *out,
			   struct fault *f)
{
	struct restore_options options = {
		.progress = draw,
		.progress_context = out->target.guest,
		.stop = interrupt_catch("\nstopping\n"),
	};

	return restore_full(c, h, &options, &out->result, f);
}

static int restore_in_new(struct checkpoint *c, char **command, struct restored *out,
			  struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = qemu_start(command, out->target.guest, &out->qemu, &h, f);

	if (r < 0)
		return r;
	r = send_checkpoint(c, h, out, f);
	if (r < 0) {
		qemu_explain(&out->qemu, f);
		qemu_kill(&out->qemu);
	}
	return r;
}

static int restore_in_waiting(struct checkpoint *c, const char *socket, struct restored *out,
			      struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = hypervisor_open_qmp(socket, &h, f);

	return r < 0 ? r : send_checkpoint(c, h, out, f);
}

static int restore(const struct arguments *a, struct restored *out, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	int r = arguments_open_store(a, &store, f);

	if (!r)
		r = checkpoint_open(store, out->target.guest, out->target.number, &c, f);
	if (r < 0)
		return r;
	if (a->no_verify)
		checkpoint_skip_verify(c);
	out->number = checkpoint_manifest(c)->id.number;
	return a->qmp ? restore_in_waiting(c, a->qmp, out, f)
		      : restore_in_new(c, a->rest + 1, out, f);
}

static void print_json(const struct restored *r, const char *socket)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", r->target.guest);
	json_add_number(o, "checkpoint", r->number);
	json_add_text(o, "state", r->result.run_state);
	json_add_number(o, "pages_total", r->result.pages_total);
	json_add_number(o, "bytes_sent", r->result.bytes_sent);
	json_add_number(o, "total_ms", r->result.total_ms);
	json_add_text(o, "qmp", socket);
	if (r->qemu.pid) {
		json_add_number(o, "pid", r->qemu.pid);
		json_add_text(o, "log", r->qemu.log);
	}
	json_print(o);
}

static void print_text(const struct restored *r)
{
	progress_wipe();
	printf("%s@%" PRIu64 " is %s again after %.1f s\n", r->target.guest, r->number,
	       r->result.run_state, r->result.total_ms / 1e3);
	if (r->qemu.pid)
		printf("QEMU has pid %d, its monitor is %s, its output is in %s\n",
		       (int)r->qemu.pid, r->qemu.socket, r->qemu.log);
}

static int check_usage(const struct arguments *a)
{
	if (a->mode && strcmp(a->mode, "full") != 0)
		return usage_error(&verb_restore, "--mode %s: the mode is full", a->mode);
	if (!a->rest_count)
		return usage_error(&verb_restore, "which guest?");
	if (a->qmp && a->rest_count > 1)
		return usage_error(&verb_restore, "either --qmp or a QEMU command, not both");
	if (!a->qmp && a->rest_count < 2)
		return usage_error(&verb_restore, "where to: --qmp PATH, or -- and a QEMU command");
	return EXIT_DONE;
}

/* Without `--` getopt would take QEMU's options for ours. */
static int find_separator(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--"))
			return i;
	return argc;
}

static int restore_run(int argc, char **argv)
{
	struct arguments a;
	struct restored restored = {0};
	struct fault f;
	int exit;
	int separator = find_separator(argc, argv);

	if (!arguments_read(&verb_restore, "qmp store mode no-verify key-file json", separator,
			    argv, &a, &exit))
		return exit;
	if (separator < argc)
		a.rest_count += argc - separator - 1;
	exit = check_usage(&a);
	if (exit != EXIT_DONE)
		return exit;
	if (parse_target(a.rest[0], &restored.target, &f) < 0)
		return report_fault(&f);
	if (separator < argc)
		a.rest = argv + separator; /* rest[0] is the separator, the command follows */
	if (restore(&a, &restored, &f) < 0)
		return report_fault(&f);
	if (a.json)
		print_json(&restored, a.qmp ? a.qmp : restored.qemu.socket);
	else
		print_text(&restored);
	return EXIT_DONE;
}

const struct verb verb_restore = {
	.name = "restore",
	.summary = "Continues a guest from a checkpoint.",
	.usage = "--store URI NAME[@N] [OPTIONS] (--qmp PATH | -- QEMU-COMMAND…)",
	.help = HELP_STORE
	"  NAME[@N]          the guest, and which checkpoint; default its newest\n"
	"  --mode full       all memory first, then the guest runs\n"
	"  --qmp PATH        the QMP socket of a QEMU started with -incoming defer\n"
	"  -- QEMU-COMMAND   the command that started the guest; vmguard adds -incoming\n"
	"                    defer and a QMP socket, and leaves it running\n"
	"  --no-verify       send damaged pages as they are: the guest may not survive "
	"it\n" HELP_KEY "  --json            print one JSON object\n",
	.run = restore_run,
};
