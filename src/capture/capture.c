/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One capture from beginning to end, on the caller's thread; the reader and the spool's writer
 * have their own.
 *
 *	check -> room in the store -> FIFO, spool, reader -> QEMU starts -> wait -> reset -> commit
 *	refused  the guest is not touched yet                |                            or drop
 *	                                                     '- from here on the FIFO is read to
 *	                                                        its end, whatever happens
 */
#include "vmguard/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/engine.h"
#include "capture/fifo.h"
#include "capture/reader.h"
#include "capture/spool.h"
#include "capture/standstill.h"
#include "vmguard/clock.h"
#include "vmguard/cpus.h"
#include "vmguard/rescue.h"

enum {
	POLL_MS = 100,
	STANDING_POLL_MS = 1,	/* while the guest stands still */
	FAILED_DRAIN_MS = 5000, /* how long QEMU may take to close the FIFO after it failed */
	COMMIT_WRITES = 2,	/* image_commit(): manifest, superblock; not through the spool */
};

struct capture {
	const struct capture_options *options;
	struct engine engine;
	struct engine_state state;
	struct image *image;
	struct standstill still;
	char *xml; /* the guest's definition; NULL: it has none */
	struct fifo fifo;
	struct spool *spool;
	struct reader *reader;
	struct reader_figures figures; /* at the end */
	pid_t *vcpus;		       /* the threads of the guest's CPUs, as far as known */
	size_t vcpu_count;
	cpu_set_t vcpu_cpus; /* where they were seen */
	int64_t started_ms;
	bool monitor_lost;
	struct fault monitor_fault;
};

static const char *guest_of(const struct capture *c)
{
	return image_store(c->image)->guest;
}

static void report_progress(struct capture *c)
{
	struct reader_figures now = c->figures;
	struct spool_figures spool;

	if (!c->options->progress)
		return;
	if (c->reader) /* else it has ended */
		reader_figures(c->reader, &now);
	spool_figures(c->spool, &spool);
	c->options->progress(c->options->progress_context,
			     &(struct capture_progress){
				     .pages_total = now.pages_total,
				     .pages_done = now.pages,
				     .pages_zero = now.pages_zero,
				     .bytes_read = now.bytes,
				     .spool_bytes = spool.now_bytes,
				     .elapsed_ms = monotonic_ms() - c->started_ms,
			     });
}

static void see_vcpus(struct capture *c)
{
	pid_t qemu = hypervisor_pid(c->engine.h);

	for (size_t i = 0; qemu > 0 && i < c->vcpu_count; i++) {
		int cpu = cpus_last_of_thread(qemu, c->vcpus[i]);

		if (cpu >= 0)
			CPU_SET(cpu, &c->vcpu_cpus);
	}
}

static bool is_stopped(const struct capture *c)
{
	return c->options->stop && __atomic_load_n(c->options->stop, __ATOMIC_RELAXED);
}

/* Events, progress, a wish to stop; POLL_MS or less. */
static void turn(struct capture *c)
{
	if (is_stopped(c))
		reader_abandon(c->reader);
	report_progress(c);
	see_vcpus(c);
	/* QEMU died, or whoever holds its monitor is away and may come back: the FIFO tells. */
	c->monitor_lost =
		c->engine.ops->wait(&c->engine, POLL_MS, &c->state, &c->monitor_fault) < 0;
	if (c->monitor_lost)
		sleep_us(POLL_MS * 1000);
}

static bool stream_ended(struct capture *c)
{
	struct reader_figures now;

	reader_figures(c->reader, &now);
	return now.ended;
}

/*
 * The first page, or that it runs, or that it will not come to that. QEMU 7.2 lets it run by itself
 * at about the time of the first page.
 */
static bool stands(struct capture *c)
{
	struct reader_figures now;

	reader_figures(c->reader, &now);
	return !now.first_us && !now.ended && !c->state.resume_us && !c->state.failed &&
	       !c->monitor_lost;
}

/* A guest that was stopped for its disks goes on as soon as its RAM is protected. */
static void let_it_run(struct capture *c)
{
	struct fault again; /* it is tried again at the end */

	if (!c->still.stopped)
		return;
	while (stands(c))
		if (c->engine.ops->wait(&c->engine, STANDING_POLL_MS, &c->state,
					&c->monitor_fault) < 0)
			c->monitor_lost = true;
	if (c->state.resume_us)
		standstill_is_over(&c->still);
	else if (!c->monitor_lost)
		standstill_end(&c->still, &again);
}

/* Until the FIFO is at its end and QEMU has said how it went. */
static void wait_for_qemu(struct capture *c)
{
	int64_t failed_ms = 0;

	let_it_run(c);
	see_vcpus(c);
	while (!stream_ended(c) || !(c->state.completed || c->state.failed || c->monitor_lost)) {
		turn(c);
		if (c->state.failed && !failed_ms)
			failed_ms = monotonic_ms();
		if (failed_ms && monotonic_ms() - failed_ms > FAILED_DRAIN_MS)
			reader_quit(c->reader);
	}
}

/* A failed snapshot leaves the guest's RAM write-protected: set it free (rescue.h). */
static void release_guest(struct capture *c)
{
	struct rescue_report report = {0};
	struct fault ignored;
	pid_t pid = hypervisor_pid(c->engine.h);

	if (pid > 0)
		rescue_release(pid, &report, &ignored);
}

/* QEMU has ended its part: what is left is between us and the store, and takes its time. */
static int drain(struct capture *c, struct fault *f)
{
	while (!spool_wait(c->spool, POLL_MS)) {
		if (is_stopped(c))
			spool_cancel(c->spool);
		report_progress(c);
	}
	return spool_drain(c->spool, f);
}

/* How it went, the cause before its consequences: QEMU, then the store, then the stream. */
static int judge(struct capture *c, struct fault *f)
{
	struct fault read_fault;
	int read = reader_finish(give(c->reader), &read_fault);
	int written = drain(c, f);

	if (c->state.failed)
		return c->engine.ops->explain(&c->engine, f);
	if (c->monitor_lost && read < 0) {
		*f = c->monitor_fault;
		return fault_wrap(f, "QEMU ended during the snapshot");
	}
	if (is_stopped(c))
		return fault_set(f, -ECANCELED, "stopped; the checkpoint was dropped");
	if (written < 0)
		return written;
	if (read < 0)
		*f = read_fault;
	return read < 0 ? read : standstill_check(&c->still, c->state.early_us, f);
}

static int run_stream(struct capture *c, struct fault *f)
{
	struct fault late;
	int r = c->engine.ops->start(&c->engine, c->fifo.give, f);

	fifo_given(&c->fifo);
	if (r < 0) {
		standstill_end(&c->still, &late);
		reader_quit(c->reader);
		reader_finish(give(c->reader), &late);
		return r;
	}
	wait_for_qemu(c);
	reader_figures(c->reader, &c->figures);
	if (c->state.failed)
		release_guest(c);
	return judge(c, f);
}

static int stream_guest(struct capture *c, struct fault *f)
{
	struct reader_options options = {
		.image = c->image,
		.spool_bytes = c->options->spool_bytes,
		.stopped = c->still.ran && standstill_is_needed(&c->still),
	};
	int r = spool_new(image_store(c->image), &c->spool, f);

	if (!r)
		r = fifo_open(&c->fifo, guest_of(c), f);
	if (r < 0)
		return r;
	spool_set_rate(c->spool, c->options->max_rate);
	options.fd = c->fifo.read;
	options.spool = c->spool;
	r = reader_start(&options, &c->reader, f);
	if (!r)
		r = run_stream(c, f);
	fifo_close(&c->fifo);
	return r;
}

static void fill_result(struct capture *c, const struct manifest *m, struct capture_result *result)
{
	struct spool_figures spool;

	spool_figures(c->spool, &spool);
	*result = (struct capture_result){
		.id = m->id,
		.memory_bytes = layout_bytes(&m->layout),
		.pages_total = m->layout.pages,
		.pages_zero = m->pages_zero,
		.pages_changed = m->pages_changed,
		.pages_written = m->pages_written,
		.pages_moved = m->pages_moved,
		.bytes_written = m->bytes_written,
		.store_writes = spool.writes + COMMIT_WRITES,
		.stream_bytes = c->figures.bytes,
		.device_bytes = c->figures.device_bytes,
		.spool_bytes = spool.limit_bytes,
		.spool_used_bytes = spool.used_bytes,
		.spool_full_ms = spool.full_us / 1000,
		.pause_us = m->pause_us,
		.pause = m->pause,
		.disks = m->disks.count,
		.total_ms = monotonic_ms() - c->started_ms,
		.vcpu_cpus = c->vcpu_cpus,
		.reader_cpus = c->figures.cpus,
		.writer_cpus = spool.cpus,
	};
}

static int commit(struct capture *c, struct capture_result *result, struct fault *f)
{
	const struct manifest *m;
	const struct engine_state *s = &c->state;
	struct checkpoint_facts facts = {
		.time_ms = s->stop_us ? s->stop_us / 1000 : wall_ms(),
		.pause_us = s->resume_us > s->stop_us ? s->resume_us - s->stop_us : 0,
		.pause = standstill_parts(&c->still, s->stop_us, c->figures.first_us, s->resume_us),
		.qemu_version = c->engine.h->qemu_version,
		.disks = &c->still.disks,
		.xml = c->xml,
	};
	int r = disks_settle(&c->still.disks, f);

	if (!r) {
		/* Where it fails nobody may know whether they belong to a checkpoint: who looks
		   next does, from the list. */
		standstill_keep(&c->still);
		r = image_commit(c->image, &facts, &m, f);
	}
	if (!r)
		fill_result(c, m, result);
	return r;
}

/* A store that did not answer is not asked again: what it has is freed by the next capture. */
static void drop(struct capture *c, int why)
{
	struct fault ignored;

	standstill_undo(&c->still);
	if (why != -ETIMEDOUT)
		image_drop(c->image, &ignored);
}

/* What has the name of the next checkpoint's is in its way. */
struct in_the_way {
	const char *name;
	struct fault why;
};

static void note_left(void *in_the_way, const struct disk *d, const struct fault *why)
{
	struct in_the_way *w = in_the_way;

	if (w->why.code || strcmp(d->snapshot, w->name) != 0)
		return;
	w->why = *why;
	fault_wrap(&w->why, "remove what an earlier attempt has left of disk %s", d->target);
}

/*
 * What a crash has left of a checkpoint that was never committed, the name of the next one among
 * it, or of one whose disks were in use when it was deleted.
 */
static int clean_disks(struct capture *c, struct fault *f)
{
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	const uint32_t tags[] = {image_tag(c->image), image_first_tag(c->image)};
	int r = store_checkpoints(image_store(c->image), &ids, &count, f);
	struct in_the_way w = {.name = c->still.name};
	struct disk_orphans orphans = {
		.tags = tags,
		.tag_count = 2,
		.kept = ids,
		.kept_count = count,
		.left = note_left,
		.context = &w,
	};

	if (!r)
		r = disks_remove_orphans(&c->still.disks, c->engine.h, &orphans, f);
	if (!r && w.why.code) {
		*f = w.why;
		r = f->code;
	}
	return r;
}

/* Which disks it has, and that each of them can have a snapshot. */
static int prepare_disks(struct capture *c, struct fault *f)
{
	struct standstill *s = &c->still;
	char state[32];
	int r = hypervisor_describe(c->engine.h, &c->xml, f);

	if (r < 0 || c->options->without_disks)
		return r;
	s->h = c->engine.h;
	s->options = c->options;
	disk_snapshot_format(
		&(struct disk_snapshot_name){image_next_id(c->image), image_tag(c->image)},
		s->name);
	r = disks_find(s->h, &s->disks, f);
	if (r < 0 || !standstill_is_needed(s))
		return r;
	r = hypervisor_run_state(s->h, state, f);
	if (r < 0)
		return r;
	s->ran = !strcmp(state, "running");
	r = clean_disks(c, f);
	if (!r)
		s->ready = disks_prepare(&s->disks);
	return r;
}

static int stand_still(void *capture, struct fault *f)
{
	return standstill_begin(&((struct capture *)capture)->still, f);
}

/* All that can be done, and refused, while the guest is not touched. */
static int prepare(struct capture *c, struct fault *f)
{
	uint64_t ram_bytes = 0;
	struct fault unknown; /* where the guest's CPUs run is only shown */
	int r = hypervisor_check(c->engine.h, f);

	if (!r)
		r = c->engine.ops->check(&c->engine, c->options->allow_resume, f);
	if (!r)
		r = prepare_disks(c, f);
	if (!r)
		r = hypervisor_ram_bytes(c->engine.h, &ram_bytes, f);
	if (!r)
		r = image_expect(c->image, ram_bytes, f);
	if (!r)
		hypervisor_vcpu_threads(c->engine.h, &c->vcpus, &c->vcpu_count, &unknown);
	return r;
}

/* Both went wrong. A QEMU that is gone has no settings left. */
static int tell_both(struct fault *f, const struct fault *reset)
{
	size_t end = strlen(f->text);

	if (reset->code == -ECONNRESET)
		return f->code;
	snprintf(f->text + end, sizeof(f->text) - end, "; besides, %s", reset->text);
	return f->code = reset->code;
}

/* However it went. */
static int leave_running(struct capture *c, int r, struct fault *f)
{
	struct fault still;

	if (standstill_end(&c->still, &still) >= 0 || still.code == -ECONNRESET)
		return r;
	if (r < 0)
		return tell_both(f, &still);
	*f = still;
	return f->code;
}

static void capture_clear(struct capture *c)
{
	spool_free(c->spool);
	standstill_clear(&c->still);
	free(c->vcpus);
	free(c->xml);
}

int capture_run(struct hypervisor *h, struct image *image, const struct capture_options *options,
		struct capture_result *result, struct fault *f)
{
	struct fault reset_fault;
	struct capture c = {.options = options, .image = image, .started_ms = monotonic_ms()};

	engine_init(&c.engine, h);
	c.engine.last = stand_still;
	c.engine.last_context = &c;
	int r = prepare(&c, f);
	if (r < 0) {
		capture_clear(&c);
		return fault_wrap(f, "snapshot of %s", guest_of(&c));
	}
	r = stream_guest(&c, f);
	r = leave_running(&c, r, f);
	int reset = c.engine.ops->reset(&c.engine, &reset_fault);
	if (!r)
		r = commit(&c, result, f);
	if (r < 0)
		drop(&c, r);
	if (r < 0 && reset < 0)
		r = tell_both(f, &reset_fault);
	else if (reset < 0) {
		*f = reset_fault;
		r = fault_wrap(f, "checkpoint %" PRIu64 " is taken, but", result->id.number);
	}
	capture_clear(&c);
	return r < 0 ? fault_wrap(f, "snapshot of %s", guest_of(&c)) : 0;
}
