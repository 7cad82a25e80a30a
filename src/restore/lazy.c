/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode `lazy`, from beginning to end:
 *
 *	postcopy on -> QEMU listens -> head, devices, run -> the guest runs; its pages are served
 *	                                                     -> end -> postcopy off
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/afterwards.h"
#include "restore/incoming.h"
#include "restore/pages.h"
#include "vmguard/clock.h"

enum {
	RUN_LIMIT_MS = 60000,
	COMPLETE_LIMIT_MS = 60000,
	POLL_MS = 20,
	STORE_WAIT_MS = 300000,
	ASK_EVERY_MS = 20,
	RECOVER_LIMIT_MS = 10000, /* QEMU notices late that its source is dead */
	RECOVER_POLL_MS = 50,
	RECOVER_TRIES = 10,
};

struct lazy {
	struct checkpoint *checkpoint;
	struct hypervisor *h;
	const struct restore_options *options;
	struct restore_result *result;
	struct incoming incoming;
	struct page_service *service;
	const uint64_t *host_page_bytes;
	int64_t started_ms;
	bool completed, failed; /* as QEMU said */
	bool unsure;		/* it may have said so to nobody */
	bool ran;
};

static void report_progress(struct lazy *l)
{
	struct page_figures now;

	if (!l->options->progress)
		return;
	page_service_figures(l->service, &now);
	l->options->progress(l->options->progress_context,
			     &(struct restore_progress){
				     .pages_total = now.pages,
				     .pages_done = now.sent,
				     .bytes_sent = now.bytes_sent,
				     .elapsed_ms = monotonic_ms() - l->started_ms,
				     .pages_demanded = now.demanded,
				     .demand_p50_us = now.demand_p50_us,
				     .demand_p99_us = now.demand_p99_us,
			     });
}

static int take_events(struct lazy *l, int limit_ms, struct fault *f)
{
	struct monitor_event event;
	char status[32];
	int r;

	while ((r = hypervisor_event(l->h, limit_ms, &event, f)) == 1) {
		if (event_is_migration(&event, status)) {
			l->completed = l->completed || !strcmp(status, "completed");
			l->failed = l->failed || !strcmp(status, "failed");
		}
		l->ran = l->ran || !strcmp(event.name, "RESUME");
		l->unsure = l->unsure || !strcmp(event.name, MONITOR_EVENTS_LOST);
		json_object_put(event.data);
		limit_ms = 0;
	}
	return r;
}

/*
 * The event, or where the guest is to stay paused, its state. A QEMU that waits for a page with its
 * main loop does not answer, which is no reason to leave the guest without its pages.
 */
static int wait_until_it_runs(struct lazy *l, struct fault *f)
{
	int64_t until = monotonic_ms() + RUN_LIMIT_MS;
	int64_t ask_ms = monotonic_ms() + ASK_EVERY_MS;
	struct page_figures now;
	char *state = l->result->run_state;
	struct fault silent;
	int r = 0;

	while (!r && !l->ran && monotonic_ms() < until) {
		r = take_events(l, POLL_MS, f);
		page_service_figures(l->service, &now);
		if (!r && now.over)
			r = page_service_finish(give(l->service), f);
		if (!r && (l->failed || now.over))
			return fault_set(f, -EREMOTEIO, "QEMU refused the stream");
		if (!r && !l->ran && monotonic_ms() > ask_ms) {
			r = hypervisor_run_state(l->h, state, f);
			l->ran = !r && strcmp(state, "inmigrate") != 0;
			if (r == -ETIMEDOUT && !take_events(l, 0, &silent) && l->ran)
				r = 0;
		}
	}
	if (r < 0)
		return r;
	if (!l->ran)
		return fault_set(f, -ETIMEDOUT, "the guest does not run %d s after its devices",
				 RUN_LIMIT_MS / 1000);
	l->result->runs = true;
	l->result->run_ms = monotonic_ms() - l->started_ms;
	if (l->options->runs)
		l->options->runs(l->options->runs_context, l->result->run_ms);
	if (hypervisor_run_state(l->h, state, &silent) < 0)
		snprintf(state, sizeof(l->result->run_state), "running");
	return 0;
}

/* A lost monitor does not end it: the guest needs its pages. */
static void watch_until_all_is_sent(struct lazy *l)
{
	struct page_figures now;
	struct fault ignored;
	bool monitor = true;

	do {
		if (!monitor || take_events(l, POLL_MS, &ignored) < 0) {
			monitor = false;
			sleep_us(POLL_MS * 1000);
		}
		report_progress(l);
		page_service_figures(l->service, &now);
	} while (!now.over && now.sent < now.pages && !(l->options->stop && *l->options->stop));
}

static void keep_figures(struct lazy *l)
{
	struct restore_result *r = l->result;
	struct page_figures now;

	page_service_figures(l->service, &now);
	r->pages_total = checkpoint_manifest(l->checkpoint)->layout.pages;
	r->pages_sent = now.sent;
	r->pages_demanded = now.demanded;
	r->bytes_sent = now.bytes_sent;
	r->first_demand_ms = now.first_demand_ms ? now.first_demand_ms - l->started_ms : 0;
	r->demand_p50_us = now.demand_p50_us;
	r->demand_p99_us = now.demand_p99_us;
}

static int look_whether_completed(struct lazy *l, struct fault *f)
{
	char status[32];
	int r = hypervisor_migration_status(l->h, status, f);

	l->completed = !r && !strcmp(status, "completed");
	return r;
}

static int wait_until_completed(struct lazy *l, struct fault *f)
{
	int64_t until = monotonic_ms() + COMPLETE_LIMIT_MS;
	int r = 0;

	while (!r && !l->completed && monotonic_ms() < until) {
		r = take_events(l, POLL_MS, f);
		if (!r && l->unsure && !l->completed)
			r = look_whether_completed(l, f);
	}
	if (r < 0 || l->completed)
		return r;
	return fault_set(f, -ETIMEDOUT, "QEMU has all pages and does not say so");
}

static int serve(struct lazy *l, struct fault *f)
{
	watch_until_all_is_sent(l);
	keep_figures(l);
	int r = page_service_finish(give(l->service), f);
	if (!r)
		r = wait_until_completed(l, f);
	if (!r)
		r = hypervisor_run_state(l->h, l->result->run_state, f);
	l->result->total_ms = monotonic_ms() - l->started_ms;
	return r;
}

static int serve_and_tell(struct lazy *l, struct fault *f)
{
	struct afterwards_work afterwards;
	int r = page_service_push(l->service, f);

	if (r < 0)
		return r;
	afterwards_begin(&afterwards, l->h, l->options, &l->result->afterwards);
	r = serve(l, f);
	afterwards_end(&afterwards);
	return r;
}

static int open_service(struct lazy *l, bool resume, struct fault *f)
{
	struct page_service_options o = {
		.checkpoint = l->checkpoint,
		.host_page_bytes = l->host_page_bytes,
		.fd = l->incoming.fd,
		.preempt_fd = l->incoming.preempt_fd,
		.ends_preempt = l->incoming.ends_preempt,
		.max_rate = l->options->max_rate,
		.store_wait_ms =
			l->options->store_wait_ms ? l->options->store_wait_ms : STORE_WAIT_MS,
		.resume = resume,
		.stop = l->options->stop,
	};

	return page_service_open(&o, &l->service, f);
}

static int tell_terms(struct lazy *l, struct fault *f)
{
	const struct restore_terms terms = {
		.preempt = l->incoming.preempt,
		.host_page_bytes = l->host_page_bytes,
		.block_count = checkpoint_manifest(l->checkpoint)->layout.block_count,
	};

	return l->options->before_run
		       ? l->options->before_run(l->options->before_run_context, &terms, f)
		       : 0;
}

static int run_guest(struct lazy *l, struct fault *f)
{
	auto_free uint8_t *devices = NULL;
	size_t bytes;
	int r = checkpoint_devices(l->checkpoint, &devices, &bytes, f);

	if (!r)
		r = incoming_connect(l->h, &l->incoming, false, f);
	if (!r)
		r = open_service(l, false, f);
	if (!r)
		r = tell_terms(l, f);
	if (!r)
		r = page_service_run(l->service, devices, bytes, f);
	return r < 0 ? r : wait_until_it_runs(l, f);
}

/* A guest that stands still goes on needing what it has. */
static void end(struct lazy *l, int r)
{
	page_service_close(l->service);
	if (r < 0 && l->result->runs)
		incoming_leave(&l->incoming);
	else
		incoming_close(l->h, &l->incoming);
}

int restore_lazy(struct checkpoint *c, struct hypervisor *h, const struct restore_options *options,
		 struct restore_result *result, struct fault *f)
{
	struct lazy l = {c, h, options, result, .started_ms = options->since_ms};

	*result = (struct restore_result){0};
	auto_free uint64_t *host_page_bytes = NULL;
	int r = incoming_check(h, f);
	/* All that can be refused while QEMU is as it was comes first. */
	if (!r)
		r = checkpoint_load(c, f);
	if (!r)
		r = incoming_host_pages(h, &checkpoint_manifest(c)->layout, &host_page_bytes, f);
	l.host_page_bytes = host_page_bytes;
	if (!r)
		r = incoming_prepare(h, &l.incoming, f);
	if (!r) {
		r = run_guest(&l, f);
		if (!r)
			r = serve_and_tell(&l, f);
		end(&l, r);
	}
	return r < 0 ? fault_wrap(f, "restore %s", checkpoint_manifest(c)->guest) : 0;
}

int restore_stands_still(struct hypervisor *h, struct fault *f)
{
	char status[32];
	int r = hypervisor_migration_status(h, status, f);

	if (r < 0 || !strcmp(status, "postcopy-paused"))
		return r;
	return fault_set(f, -EPERM,
			 "QEMU at %s has no restore that stands still (its migration is \"%s\")",
			 h->where, status);
}

/* 1: it is complete; 0: it may yet stand still. */
static int look_whether_complete(struct lazy *l, struct fault *f)
{
	char status[32];
	int r = hypervisor_migration_status(l->h, status, f);

	if (r < 0)
		return r;
	if (!strcmp(status, "completed"))
		return 1;
	return strcmp(status, "postcopy-active") != 0 ? restore_stands_still(l->h, f) : 0;
}

/* Out of band while that may be refused only because QEMU still believes in the old source. */
static int try_to_recover(struct lazy *l, struct fault *f)
{
	int r = incoming_connect(l->h, &l->incoming, true, f);

	for (int i = 1; i < RECOVER_TRIES && r == -EREMOTEIO; i++) {
		sleep_us(RECOVER_POLL_MS * 1000);
		r = incoming_connect(l->h, &l->incoming, true, f);
	}
	return r;
}

static int recover(struct lazy *l, struct fault *f)
{
	int64_t until = monotonic_ms() + RECOVER_LIMIT_MS;
	struct fault look;
	int r = try_to_recover(l, f);

	while (r == -EREMOTEIO && !l->result->was_complete) {
		int complete = look_whether_complete(l, &look);

		if (complete == -EPERM)
			*f = look;
		if (complete < 0 || monotonic_ms() > until)
			return f->code;
		l->result->was_complete = complete;
		r = complete ? 0 : try_to_recover(l, f);
	}
	return r;
}

/*
 * A QEMU that waits for a page leaves what is asked in band unanswered, and with eight of these
 * (QMP_REQ_QUEUE_LEN_MAX in monitor/monitor.h) it reads nothing more, not even what is out of band.
 * Going on may fail any number of times, so it asks when all pages are there.
 */
static int go_on(struct lazy *l, struct fault *f)
{
	int r = open_service(l, true, f);

	if (!r)
		r = page_service_resume(l->service, f);
	if (!r && l->options->runs)
		l->options->runs(l->options->runs_context, monotonic_ms() - l->started_ms);
	if (!r)
		r = page_service_push(l->service, f);
	if (!r)
		r = serve(l, f);
	if (!r)
		afterwards_do(l->h, l->options, &l->result->afterwards);
	return r;
}

int restore_resume(struct checkpoint *c, struct hypervisor *h, const struct restore_terms *terms,
		   const struct restore_options *options, struct restore_result *result,
		   struct fault *f)
{
	struct lazy l = {
		.checkpoint = c,
		.h = h,
		.options = options,
		.result = result,
		.host_page_bytes = terms->host_page_bytes,
		.started_ms = options->since_ms,
	};

	*result = (struct restore_result){.runs = true};
	incoming_recall(h, terms->preempt, &l.incoming);
	int r = checkpoint_load(c, f);
	if (!r && terms->block_count != checkpoint_manifest(c)->layout.block_count)
		r = fault_set(f, -EBADMSG, "the note of its RAM blocks is of another checkpoint");
	if (!r)
		r = recover(&l, f);
	if (!r)
		r = result->was_complete ? hypervisor_run_state(h, result->run_state, f)
					 : go_on(&l, f);
	end(&l, r);
	return r < 0 ? fault_wrap(f, "resume the restore of %s", checkpoint_manifest(c)->guest) : 0;
}
