/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event loop: its sources, and what is done after each. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "guest.h"
#include "vmguard/clock.h"
#include "vmguard/operations.h"

enum {
	OTHER_JOBS = 8,	 /* policies, first looks, closing: none takes long, but any may wait */
	STOP_MS = 60000, /* QEMU has to finish what it has begun, else its guest would hang */
	CAPTURE_JOBS = 64,
	LOOK_EVERY_MS = 500,   /* for what nobody tells */
	STEP_AT_MOST_MS = 500, /* a timer that is not asked for: policies, guests that may go */
};

int64_t daemon_now_ms(void)
{
	return monotonic_ms();
}

/* ---- sources ------------------------------------------------------------------------------ */

void daemon_step(struct daemon *d)
{
	int64_t now_ms = daemon_now_ms();

	if (d->stopping)
		return;
	guards_step(d->guards, now_ms);
	guests_list(d);
	if (now_ms >= d->look_ms) {
		d->look_ms = now_ms + LOOK_EVERY_MS;
		sockets_look(d);
		guests_report(d);
	}
	followers_pump(d);
	int64_t wake_ms = guards_wake_ms(d->guards);
	if (wake_ms > now_ms + STEP_AT_MOST_MS)
		wake_ms = now_ms + STEP_AT_MOST_MS;
	sd_event_source_set_time(d->timer, (uint64_t)wake_ms * 1000);
	sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t us, void *daemon)
{
	(void)source;
	(void)us;
	daemon_step(daemon);
	return 0;
}

static int on_jobs(sd_event_source *source, int fd, uint32_t events, void *jobs)
{
	(void)source;
	(void)fd;
	(void)events;
	jobs_dispatch(jobs);
	return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *daemon)
{
	(void)source;
	(void)info;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_us(CLOCK_MONOTONIC));
	settings_reload(daemon);
	sd_notify(0, "READY=1");
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *daemon)
{
	struct daemon *d = daemon;

	(void)source;
	(void)info;
	d->stopping = true;
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(d->loop, 0);
}

static int add_sources(struct daemon *d)
{
	int r = sd_event_add_time(d->loop, &d->timer, CLOCK_MONOTONIC, 0, 1000, on_time, d);

	if (r >= 0)
		r = sd_event_add_io(d->loop, NULL, jobs_fd(d->captures), EPOLLIN, on_jobs,
				    d->captures);
	if (r >= 0)
		r = sd_event_add_io(d->loop, NULL, jobs_fd(d->others), EPOLLIN, on_jobs, d->others);
	if (r >= 0)
		r = sd_event_add_signal(d->loop, NULL, SIGTERM, on_stop, d);
	if (r >= 0)
		r = sd_event_add_signal(d->loop, NULL, SIGHUP, on_reload, d);
	if (r >= 0)
		r = sd_event_add_signal(d->loop, NULL, SIGINT, on_stop, d);
	if (r >= 0)
		r = sd_event_set_watchdog(d->loop, true);
	return r;
}

/* ---- from the beginning to the end --------------------------------------------------------- */

/* Before any thread is started: they inherit it. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_all(struct daemon *d, struct fault *f)
{
	int r = sd_event_default(&d->loop);

	if (r < 0)
		return fault_errno(f, r, "set up the event loop");
	d->slots.limit = (unsigned)d->config.captures_per_store;
	r = tell_open(d, f);
	if (!r)
		r = operations_new(&d->operations, f);
	if (!r)
		r = guards_open(&d->sink, (unsigned)d->config.captures_per_host, &d->guards, f);
	if (!r) /* guards keep the limit, which may be changed */
		r = jobs_open(CAPTURE_JOBS, &d->captures, f);
	if (!r)
		r = jobs_open(OTHER_JOBS, &d->others, f);
	if (!r && (r = add_sources(d)) < 0)
		fault_errno(f, r, "set up the event loop");
	return r < 0 ? r : serve_open(d, f);
}

/* Captures end when QEMU has; guests are not touched, restores go on by themselves. */
static void close_all(struct daemon *d)
{
	serve_close(d);
	unsigned late = jobs_close(d->captures, STOP_MS) + jobs_close(d->others, STOP_MS);

	if (late)
		fprintf(stderr, "<4>%u jobs did not end in time\n", late);
	domains_free(d);
	guests_free(d);
	guards_close(d->guards);
	operations_close(d->operations);
	sd_event_source_unref(d->timer);
	tell_close(d);
	sd_event_unref(d->loop);
}

int daemon_run(struct daemon *d, struct fault *f)
{
	block_signals();
	d->sink.ops = &guests_ops;
	int r = open_all(d, f);
	if (!r) {
		d->started_ms = wall_ms();
		daemon_say(d, EVENT_DAEMON_STARTED, "started");
		sd_notify(0, "READY=1");
		begun_rescue(d);
		daemon_step(d);
		r = sd_event_loop(d->loop);
		if (r < 0)
			fault_errno(f, r, "the event loop");
	}
	d->stopping = true;
	close_all(d);
	return r < 0 ? r : 0;
}
