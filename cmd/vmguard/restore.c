/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard restore: a checkpoint goes on, in a QEMU that waits or in one started here. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "restored.h"
#include "vmguard/clock.h"
#include "vmguard/restore.h"

/* So that who wants a snapshot meanwhile can be told. */
static void note_progress(struct restored *r, const struct restore_progress *p)
{
	unsigned now = percent(p->pages_done, p->pages_total);
	struct fault ignored;

	if (!r->lazy || now == r->record.percent)
		return;
	r->record.percent = now;
	record_write(&r->holder, &r->record, &ignored);
}

static void draw(void *restored, const struct restore_progress *p)
{
	struct restored *r = restored;
	char what[96], note[128] = "";

	note_progress(r, p);
	snprintf(what, sizeof(what), "restore %s", r->target.guest);
	if (p->pages_demanded)
		snprintf(note, sizeof(note),
			 "asked for %" PRIu64 ", half came in %.1f ms, all but 1 %% in %.1f",
			 p->pages_demanded, p->demand_p50_us / 1e3, p->demand_p99_us / 1e3);
	progress_draw(&(struct progress_bar){
		.what = what,
		.total = p->pages_total,
		.done = p->pages_done,
		.bytes = p->bytes_sent,
		.elapsed_ms = p->elapsed_ms,
		.note = note,
	});
}

const char *restored_mode(const struct restored *r)
{
	return r->arguments->mode ? r->arguments->mode : "";
}

static void say_it_runs(void *restored, int64_t run_ms)
{
	const struct restored *r = restored;

	if (r->ran)
		r->ran(r->ran_context);
	if (r->arguments->json)
		return;
	progress_wipe();
	printf("%s@%" PRIu64 " runs after %" PRId64 " ms, its memory follows\n", r->target.guest,
	       r->number, run_ms);
	fflush(stdout);
}

/* Without it the guest can still be gone on with, unless QEMU waits for a page with its main loop.
 */
static void guard_monitor(struct restored *r)
{
	char path[RECORD_PATH_BYTES];
	struct fault f;

	if (!r->holder.pid || !r->hypervisor || r->domain.name[0])
		return;
	if (record_monitor_path(&r->holder, path, &f) < 0 ||
	    keeper_guard(&r->keeper, hypervisor_fd(r->hypervisor), path, &f) < 0)
		fprintf(stderr, "vmguard: nobody holds QEMU's monitor if this vmguard dies: %s\n",
			f.text);
}

static void note_feeder(struct record *record)
{
	struct fault unknown;

	if (holder_of(getpid(), &record->feeder, &unknown) < 0)
		record->feeder = (struct holder){0};
}

/* What may be gone on with, and how, is noted before the guest runs. */
static int note_terms(void *restored, const struct restore_terms *terms, struct fault *f)
{
	struct restored *r = restored;
	struct record *record = &r->record;
	const char *socket = r->qemu.pid ? r->qemu.socket : r->arguments->qmp;

	*record = (struct record){
		.number = r->number,
		.preempt = terms->preempt,
		.block_count = terms->block_count,
	};
	snprintf(record->store, sizeof(record->store), "%s", r->arguments->store);
	snprintf(record->guest, sizeof(record->guest), "%s", r->target.guest);
	note_feeder(record);
	snprintf(record->qemu_version, sizeof(record->qemu_version), "%s",
		 r->hypervisor->qemu_version);
	snprintf(record->uuid, sizeof(record->uuid), "%s", r->uuid);
	if (r->domain.name[0])
		snprintf(record->socket, sizeof(record->socket), "domain %s", r->domain.name);
	else if (!realpath(socket, record->socket))
		return fault_errno(f, -errno, "find %s", socket);
	memcpy(record->host_page_bytes, terms->host_page_bytes,
	       terms->block_count * sizeof(*terms->host_page_bytes));
	if (record_write(&r->holder, record, f) < 0)
		return f->code;
	guard_monitor(r);
	return 0;
}

struct restore_options restored_options(struct restored *r)
{
	return (struct restore_options){
		.progress = draw,
		.progress_context = r,
		.before_run = note_terms,
		.before_run_context = r,
		.runs = say_it_runs,
		.runs_context = r,
		.max_rate = r->arguments->max_rate,
		.store_wait_ms = r->arguments->store_wait_ms,
		.keep_clock = r->arguments->keep_clock,
		.keep_network = r->arguments->keep_network,
		.stop = interrupt_catch("\nstopping\n"),
		.since_ms = r->since_ms,
	};
}

/* The keeper goes first: a monitor that is held, and no note of it, would be of no use to anybody.
 */
static void forget(struct restored *r)
{
	keeper_end(&r->keeper);
	record_remove(&r->holder);
}

/* One that has not run is tried again, with the same keeper. */
int restored_send_lazily(struct checkpoint *c, struct hypervisor *h,
			 const struct restore_options *options, struct restored *out,
			 struct fault *f)
{
	out->hypervisor = h;
	int r = hypervisor_uuid(h, out->uuid, f);
	if (!r)
		r = restore_lazy(c, h, options, &out->result, f);
	if (!r)
		forget(out);
	else if (!out->result.runs)
		record_remove(&out->holder);
	return r;
}

int restored_send(struct checkpoint *c, struct hypervisor *h, struct restored *out, struct fault *f)
{
	const struct restore_options options = restored_options(out);

	out->lazy = strcmp(restored_mode(out), "full") != 0;
	if (out->lazy) {
		int r = restored_send_lazily(c, h, &options, out, f);

		if (r != -EOPNOTSUPP || !strcmp(restored_mode(out), "lazy"))
			return r;
		qemu_explain(&out->qemu, f);
		progress_wipe();
		fprintf(stderr,
			"vmguard: all memory goes first, a lazy restore is not possible: %s\n",
			f->text);
		out->lazy = false;
	}
	return restore_full(c, h, &options, &out->result, f);
}

/* A guest that has run has done things: it is not started again, it is gone on with. */
int restored_stands_still(const struct restored *r, const char *socket, struct fault *f)
{
	if (r->copy && r->copy->is_removed)
		return fault_wrap(f, "\"%s\" ran, but not to its end", r->copy->name);
	if (r->domain.name[0])
		return fault_wrap(f,
				  "the guest stands still until vmguard restore --resume%s%s "
				  "--domain %s",
				  r->domain.uri ? " --connect " : "",
				  r->domain.uri ? r->domain.uri : "", r->domain.name);
	return fault_wrap(f, "the guest stands still until vmguard restore --resume --qmp %s",
			  r->qemu.pid ? r->qemu.socket : socket);
}

bool restored_is_worth_another_try(const struct restored *r, int code)
{
	return !r->result.runs && (code == -ETIMEDOUT || code == -ECONNRESET || code == -EPIPE);
}

static int restore_in_waiting(struct restored *out, struct fault *f)
{
	const char *socket = out->arguments->qmp;
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	struct source source = {0};
	int r = hypervisor_open_qmp(socket, &h, f);

	if (!r)
		r = source_open(out, &source, hypervisor_pid(h), f);
	if (!r)
		r = restored_disks_are_kept(out, &source, f);
	if (!r)
		r = source_load(&source, f);
	if (!r)
		r = restored_send(source.checkpoint, h, out, f);
	source_close(out, &source, r);
	return r < 0 && out->result.runs ? restored_stands_still(out, socket, f) : r;
}

static void note_domain(struct restored *out, const struct hypervisor *h)
{
	snprintf(out->domain.name, sizeof(out->domain.name), "%.*s",
		 (int)sizeof(out->domain.name) - 1, h->guest);
	out->domain.uri = out->arguments->connect;
	out->domain_pid = hypervisor_pid(h);
}

/* A QMP socket would take commands out of band. */
static int fault_out_of_reach(const struct arguments *a, struct fault *f)
{
	return fault_wrap(
		f,
		"if QEMU itself waits for a page, libvirt does not reach it: virsh destroy "
		"%s, and restore it again",
		a->domain);
}

/* Where nobody has a note of it, QEMU says whether there is anything to go on with. */
static int fault_not_noted(const struct arguments *a, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	struct fault look;
	int r = arguments_open_monitor(a, &h, &look);

	if (!r)
		r = restore_stands_still(h, &look);
	if (r < 0)
		*f = look;
	return f->code;
}

/* QEMU is not asked. */
static int find_note(struct restored *out, struct fault *f)
{
	const struct arguments *a = out->arguments;

	if (!a->domain)
		return record_find(a->qmp, &out->holder, &out->record, f);
	pid_t pid = libvirt_find_pid(a->connect, a->domain, f);
	int r = pid < 0 ? pid : holder_of(pid, &out->holder, f);
	return r < 0 ? r : record_read(&out->holder, &out->record, f);
}

static int reach_domain(struct restored *out, struct hypervisor **h, struct fault *f)
{
	const struct arguments *a = out->arguments;
	int r = arguments_open_monitor(a, h, f);

	if (r < 0)
		return r == -ETIMEDOUT ? fault_out_of_reach(a, f) : r;
	note_domain(out, *h);
	out->hypervisor = *h;
	out->result.runs = true;
	return 0;
}

/* From the keeper, which has it negotiated; where there is none, QEMU has to answer. */
static int reach_monitor(struct restored *out, struct hypervisor **h, struct fault *f)
{
	const char *socket = out->arguments->qmp;
	char path[RECORD_PATH_BYTES];
	struct kept_monitor kept;

	if (record_monitor_path(&out->holder, path, f) < 0)
		return f->code;
	int r = keeper_take(path, MONITOR_LIMIT_MS, &kept, f);
	if (!r)
		r = hypervisor_adopt_qmp(kept.fd, socket, out->record.qemu_version, h, f);
	else if (r == -ENOENT)
		r = hypervisor_open_qmp(socket, h, f);
	out->hypervisor = *h;
	out->result.runs = !r;
	if (r < 0) /* a keeper that is not told otherwise holds it on */
		return r;
	guard_monitor(out);
	keeper_taken(&kept);
	return 0;
}

/* Unless somebody is at it still: QEMU will say so. */
static int take_over(struct restored *out, struct fault *f)
{
	if (holder_life(&out->record.feeder) == HOLDER_ALIVE)
		return 0;
	note_feeder(&out->record);
	return record_write(&out->holder, &out->record, f);
}

static int go_on(struct restored *out, struct source *source, struct hypervisor *h, struct fault *f)
{
	const struct restore_options options = restored_options(out);
	const struct restore_terms terms = {
		.preempt = out->record.preempt,
		.host_page_bytes = out->record.host_page_bytes,
		.block_count = out->record.block_count,
	};

	out->lazy = true;
	int r = restore_resume(source->checkpoint, h, &terms, &options, &out->result, f);
	if (r == -EPERM) /* it does not stand still: the monitor is everybody's */
		out->result.runs = false;
	return r;
}

/* The note says from where; only the key is not in it. */
static int resume(struct restored *out, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	struct source source = {0};
	struct arguments *a = out->arguments;
	int r = find_note(out, f);

	if (r == -ENOENT)
		return fault_not_noted(a, f);
	if (!r)
		r = a->domain ? reach_domain(out, &h, f) : reach_monitor(out, &h, f);
	if (r < 0)
		return r;
	a->store = out->record.store;
	out->target.number = out->record.number;
	snprintf(out->target.guest, sizeof(out->target.guest), "%s", out->record.guest);
	r = source_open(out, &source, (pid_t)out->holder.pid, f);
	if (!r)
		r = take_over(out, f);
	if (!r)
		r = go_on(out, &source, h, f);
	if (!r)
		forget(out);
	source_close(out, &source, r);
	return r;
}

static bool has_command(const struct arguments *a)
{
	return a->rest_count > 1;
}

static int check_resume_usage(const struct arguments *a)
{
	int exit;

	if (a->rest_count || a->define || a->disks || a->yes)
		return usage_error(&verb_restore,
				   "--resume knows all but which guest stands still");
	return arguments_name_monitor(&verb_restore, a, &exit) ? EXIT_DONE : exit;
}

static int check_usage(const struct arguments *a)
{
	if (a->mode && strcmp(a->mode, "full") != 0 && strcmp(a->mode, "lazy") != 0)
		return usage_error(&verb_restore, "--mode %s: it is lazy or full", a->mode);
	if (a->resume)
		return check_resume_usage(a);
	if (!a->store)
		return usage_error(&verb_restore, "--store says where: dir:PATH or rbd:POOL");
	if (!a->rest_count)
		return usage_error(&verb_restore, "which guest?");
	if (!!a->qmp + !!a->connect + has_command(a) != 1)
		return usage_error(&verb_restore, "where to: one of --connect URI, --qmp PATH, or "
						  "-- and a QEMU command");
	if (a->disks && !restored_disks_is_way(a->disks))
		return usage_error(&verb_restore, "--disks %s: it is rollback, clone or keep",
				   a->disks);
	if (a->disks && !strcmp(a->disks, "clone") && !a->connect)
		return usage_error(&verb_restore,
				   "--disks clone is for a domain of libvirt (--connect URI): a "
				   "QEMU command names its disks itself");
	if (a->domain)
		return usage_error(&verb_restore, "--domain is for --resume: the checkpoint knows "
						  "the domain's name");
	if (a->define && !a->connect)
		return usage_error(&verb_restore, "--define is for a domain of libvirt: --connect "
						  "URI");
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

static int run(struct restored *r)
{
	const struct arguments *a = r->arguments;
	struct fault f;
	bool lazy = strcmp(restored_mode(r), "full") != 0;

	if (lazy && !a->connect && !a->domain && keeper_start(&r->keeper, &f) < 0)
		fprintf(stderr, "vmguard: %s\n", f.text);
	int result = a->resume	       ? resume(r, &f)
		     : a->qmp	       ? restore_in_waiting(r, &f)
		     : !has_command(a) ? restore_in_domain(r, &f)
				       : restore_in_new(r, &f);

	/* A guest that stands still goes on needing it. */
	if (!result || !r->result.runs)
		keeper_end(&r->keeper);
	if (!result)
		restored_print(r);
	restored_disks_clear(r);
	return result < 0 ? report_fault(&f) : EXIT_DONE;
}

static int restore_run(int argc, char **argv)
{
	static const char accepted[] =
		"qmp connect domain define store mode disks yes resume "
		"max-rate store-wait keep-clock keep-network no-verify key-file json";
	struct arguments a;
	struct restored restored = {.arguments = &a, .since_ms = monotonic_ms()};
	struct fault f;
	int exit;
	int separator = find_separator(argc, argv);

	if (!arguments_read(&verb_restore, accepted, separator, argv, &a, &exit))
		return exit;
	if (separator < argc)
		a.rest_count += argc - separator - 1;
	exit = check_usage(&a);
	if (exit != EXIT_DONE)
		return exit;
	if (!a.resume && parse_target(a.rest[0], &restored.target, &f) < 0)
		return report_fault(&f);
	if (separator < argc)
		a.rest = argv + separator; /* rest[0] is the separator, the command follows */
	return run(&restored);
}

const struct verb verb_restore = {
	.name = "restore",
	.summary = "Continues a guest from a checkpoint.",
	.usage = "--store URI NAME[@N] [OPTIONS] (--connect URI | --qmp PATH | -- QEMU-COMMAND…)\n"
		 "       vmguard restore --resume (--domain NAME | --qmp PATH) [OPTIONS]",
	.help = HELP_STORE
	"  NAME[@N]          the guest, and which checkpoint; default its newest\n"
	"  --disks rollback|clone|keep\n"
	"                    rollback (default): the guest's own disks go back to the\n"
	"                    checkpoint; clone: it gets clones of them, with --connect;\n"
	"                    keep: they are at the checkpoint already\n"
	"  --yes             what was written to its disks since may be lost\n"
	"  --mode lazy|full  lazy: the guest runs at once, its memory follows; full: all\n"
	"                    memory first. Default: lazy where QEMU can\n"
	"  --max-rate SIZE   lazy: of memory that is not asked for, bytes a second (100M)\n"
	"  --store-wait T    lazy: how long the store may be away (5m)\n"
	"  --keep-clock      leave the guest's clock as far behind as it is\n"
	"  --keep-network    do not tell switches where the guest is now\n"
	"  --connect URI     libvirt starts the domain, as it was when the checkpoint was\n"
	"                    taken; for a checkpoint that was taken with --domain\n"
	"  --define          and defines it, where it is not defined there\n"
	"  --qmp PATH        the QMP socket of a QEMU started with -incoming defer\n"
	"  -- QEMU-COMMAND   the command that started the guest; vmguard adds -incoming\n"
	"                    defer and a QMP socket, and leaves it running\n"
	"  --resume          go on with a guest whose vmguard died during a lazy restore\n"
	"  --domain NAME     and which one that is: a domain of libvirt (--connect)\n"
	"  --no-verify       send damaged pages as they are: the guest may not survive "
	"it\n" HELP_KEY "  --json            print one JSON object\n",
	.run = restore_run,
};
