/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restore/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "restore/service.h"
#include "vmguard/clock.h"

enum {
	END_LIMIT_MS = 60000,
	READ_BYTES = 4096,
	STEP_MS = 100,
	QUIET_US = 5000,
	SETTLE_MS_MAX = 100,
	REOPEN_US = 1000000,
};

/* ---- what is shared ---------------------------------------------------------------------- */

bool service_is_ending(struct page_service *s)
{
	pthread_mutex_lock(&s->lock);
	bool ending = s->ending;
	pthread_mutex_unlock(&s->lock);
	return ending;
}

/*
 * QEMU 7.2 dies of a channel that is closed while its thread for urgent pages begins with it anew,
 * some time after it has resumed (postcopy_pause_ram_fast_load() in migration/ram.c then gives no
 * file).
 */
static void let_qemu_reopen(struct page_service *s)
{
	pthread_mutex_lock(&s->lock);
	int64_t open_us = s->resumed && !s->shut ? s->resumed_us + REOPEN_US : 0;
	pthread_mutex_unlock(&s->lock);
	int64_t now_us = clock_us(CLOCK_MONOTONIC);
	if (now_us < open_us)
		sleep_us(open_us - now_us);
}

void service_fail(struct page_service *s, const struct fault *f)
{
	pthread_mutex_lock(&s->lock);
	if (!s->result && !s->shut) {
		s->result = f->code;
		s->failure = *f;
	}
	s->ending = true;
	pthread_cond_broadcast(&s->work);
	pthread_cond_broadcast(&s->calm);
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
	if (s->urgent.writer)
		let_qemu_reopen(s);
	shutdown(s->main.fd, SHUT_RDWR);
	if (s->urgent.writer)
		shutdown(s->urgent.fd, SHUT_RDWR);
}

/* Locked: waits for the next step, STEP_MS or less. */
static void wait_for_step(struct page_service *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += STEP_MS * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&s->step, &s->lock, &until);
}

/* ---- the return path --------------------------------------------------------------------- */

static int take_request(struct return_path_sink *sink, uint64_t page, uint64_t pages,
			struct fault *f)
{
	struct page_service *s = (struct page_service *)sink;
	struct demand d = {page, pages, clock_us(CLOCK_MONOTONIC)};
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->first_demand_ms)
		s->first_demand_ms = d.since_us / 1000;
	if (s->queue_count == QUEUE_MAX)
		r = fault_set(f, -ENOBUFS, "QEMU asks for more than %d pages at once", QUEUE_MAX);
	else
		s->queue[(s->queue_first + s->queue_count++) % QUEUE_MAX] = d;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static size_t count_stored(const struct page_service *s, uint64_t first, size_t pages)
{
	size_t stored = 0;

	for (uint64_t page = first; page < first + pages; page++)
		stored += checkpoint_segment_of(s->options.checkpoint, page) > 0;
	return stored;
}

/* QEMU has a host page whole or not at all: its first bit is that of all. */
static int take_received(struct return_path_sink *sink, const struct ram_block *b,
			 const uint8_t *bitmap, struct fault *f)
{
	struct page_service *s = (struct page_service *)sink;
	size_t unit = unit_pages(s, b->first_page);

	(void)f;
	for (uint64_t i = 0; i < b->pages; i += unit)
		if (bitmap[i / 8] >> (i % 8) & 1 && claims_take(&s->claims, b->first_page + i))
			s->sent += count_stored(s, b->first_page + i, unit);
	pthread_mutex_lock(&s->lock);
	s->blocks_received++;
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int take_resumed(struct return_path_sink *sink, struct fault *f)
{
	struct page_service *s = (struct page_service *)sink;

	(void)f;
	pthread_mutex_lock(&s->lock);
	s->resumed = true;
	s->resumed_us = clock_us(CLOCK_MONOTONIC);
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int take_shut(struct return_path_sink *sink, uint32_t status, struct fault *f)
{
	struct page_service *s = (struct page_service *)sink;

	if (status)
		return fault_set(f, -EREMOTEIO, "QEMU could not load the pages (status %u)",
				 status);
	if (s->sent < checkpoint_stored(s->options.checkpoint))
		return fault_set(f, -EPROTO, "QEMU says it has all pages before it was sent all");
	pthread_mutex_lock(&s->lock);
	s->shut = true;
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static bool is_shut(struct page_service *s)
{
	pthread_mutex_lock(&s->lock);
	bool shut = s->shut;
	pthread_mutex_unlock(&s->lock);
	return shut;
}

static void *return_path_main(void *service)
{
	struct page_service *s = service;
	uint8_t bytes[READ_BYTES];
	struct fault f;
	int r = 0;

	while (!r && !is_shut(s)) {
		ssize_t n = recv(s->main.fd, bytes, sizeof(bytes), 0);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			r = fault_set(&f, n ? -errno : -ECONNRESET,
				      "QEMU closed the stream before it had all pages");
		else
			r = return_path_feed(s->return_path, bytes, n, &f);
	}
	if (r < 0)
		service_fail(s, &f);
	return NULL;
}

/* ---- beginning and end ------------------------------------------------------------------- */

static int start_thread(struct page_service *s, void *(*run)(void *), struct fault *f)
{
	int r = -pthread_create(&s->threads[s->thread_count], NULL, run, s);

	if (r < 0)
		return fault_errno(f, r, "start a thread of the page service");
	s->thread_count++;
	return 0;
}

static int start_threads(struct page_service *s, void *(*run)(void *), size_t count,
			 struct fault *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = start_thread(s, run, f);
	return r;
}

static struct page_service *new_service(const struct page_service_options *o)
{
	static const struct return_path_sink_ops ops = {take_request, take_received, take_resumed,
							take_shut};
	struct page_service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.ops = &ops;
	s->options = *o;
	s->layout = &checkpoint_manifest(o->checkpoint)->layout;
	s->main.fd = o->fd;
	s->urgent.fd = o->preempt_fd;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->calm, NULL);
	pthread_cond_init(&s->step, NULL);
	return s;
}

static int open_channels(struct page_service *s, struct fault *f)
{
	int r = channel_open(&s->main, s->layout, s->options.fd, f);

	if (!r && s->options.preempt_fd >= 0) {
		r = channel_open(&s->urgent, s->layout, s->options.preempt_fd, f);
		if (!r)
			stream_writer_be_bare(s->urgent.writer);
	}
	s->return_path = return_path_new(s->layout, &s->sink);
	if (!r && (!s->return_path || !claims_make(&s->claims, s->layout->pages)))
		r = fault_errno(f, -ENOMEM, "make the page service");
	if (!r && !s->options.resume)
		r = stream_write_postcopy_head(s->main.writer, s->options.host_page_bytes, f);
	return r;
}

int page_service_open(const struct page_service_options *o, struct page_service **out,
		      struct fault *f)
{
	auto_of(page_service_close) struct page_service *s = new_service(o);

	if (!s)
		return fault_errno(f, -ENOMEM, "make the page service");
	int r = open_channels(s, f);
	if (!r)
		r = start_thread(s, return_path_main, f);
	if (!r)
		*out = give(s);
	return r;
}

/* The first fault comes while the devices are loaded: who answers it must be there before. */
int page_service_run(struct page_service *s, const uint8_t *devices, size_t bytes, struct fault *f)
{
	int r = start_threads(s, demand_main, DEMAND_THREADS, f);

	if (r < 0)
		return r;
	pthread_mutex_lock(&s->main.lock);
	r = stream_write_run(s->main.writer, devices, bytes, f);
	pthread_mutex_unlock(&s->main.lock);
	return r;
}

static bool is_asking(struct page_service *s)
{
	pthread_mutex_lock(&s->lock);
	bool asking = !s->ending &&
		      (s->urgent_count || clock_us(CLOCK_MONOTONIC) < s->demand_us + QUIET_US);
	pthread_mutex_unlock(&s->lock);
	return asking;
}

/* A guest that begins to run asks for many pages, and has the store for itself. */
static void let_it_settle(struct page_service *s)
{
	for (int waited = 0; waited < SETTLE_MS_MAX && is_asking(s); waited++)
		sleep_us(1000);
}

int page_service_push(struct page_service *s, struct fault *f)
{
	int r = checkpoint_order(s->options.checkpoint, f);

	let_it_settle(s);
	return r < 0 ? r : start_threads(s, background_main, BACKGROUND_THREADS, f);
}

/* Locked. */
static int wait_until(struct page_service *s, bool (*holds)(const struct page_service *),
		      int limit_ms, const char *what, struct fault *f)
{
	int64_t until = monotonic_ms() + limit_ms;

	while (!holds(s) && !s->result) {
		if (monotonic_ms() > until)
			return fault_set(f, -ETIMEDOUT, "QEMU has not %s within %d s", what,
					 limit_ms / 1000);
		wait_for_step(s);
	}
	if (s->result)
		*f = s->failure;
	return s->result;
}

static bool has_all_bitmaps(const struct page_service *s)
{
	return s->blocks_received == s->layout->block_count;
}

static bool is_resumed(const struct page_service *s)
{
	return s->resumed;
}

/*
 * Nothing is sent before QEMU has resumed, so that nothing can fail before: a QEMU older than 8.2
 * dies of a channel that ends while it recovers (it does not go back from there to paused).
 */
int page_service_resume(struct page_service *s, struct fault *f)
{
	int r = stream_write_ask_received(s->main.writer, f);

	pthread_mutex_lock(&s->lock);
	if (!r)
		r = wait_until(s, has_all_bitmaps, END_LIMIT_MS, "said which pages it has", f);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&s->main.lock);
	if (!r)
		r = stream_write_resume(s->main.writer, f);
	pthread_mutex_unlock(&s->main.lock);
	pthread_mutex_lock(&s->lock);
	if (!r)
		r = wait_until(s, is_resumed, END_LIMIT_MS, "resumed", f);
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? r : start_threads(s, demand_main, DEMAND_THREADS, f);
}

void page_service_figures(struct page_service *s, struct page_figures *figures)
{
	pthread_mutex_lock(&s->lock);
	*figures = (struct page_figures){
		.pages = checkpoint_stored(s->options.checkpoint),
		.sent = s->sent,
		.demanded = s->latency.count,
		.bytes_sent = s->main.bytes + s->urgent.bytes,
		.first_demand_ms = s->first_demand_ms,
		.demand_p50_us = latency_percentile(&s->latency, 50),
		.demand_p99_us = latency_percentile(&s->latency, 99),
		.over = s->shut || s->result,
	};
	pthread_mutex_unlock(&s->lock);
}

static bool is_stopped(const struct page_service *s)
{
	return s->options.stop && *s->options.stop;
}

/* Locked. Proven by a count: at the end QEMU would take what is missing for zero, and say nothing.
 */
static int wait_until_all_is_sent(struct page_service *s, struct fault *f)
{
	uint64_t pages = checkpoint_stored(s->options.checkpoint);

	while (s->sent < pages && !s->result) {
		if (is_stopped(s))
			return fault_set(f, -ECANCELED, "stopped");
		wait_for_step(s);
	}
	if (s->result)
		*f = s->failure;
	return s->result;
}

static bool has_shut(const struct page_service *s)
{
	return s->shut;
}

/*
 * QEMU before 8.0 waits for the end of the second channel. A later one waits until all that was
 * asked for has come, zero pages too, and leaves the channel by itself: there it stays open until
 * QEMU has said that it has all.
 */
static int write_end(struct page_service *s, struct fault *f)
{
	int r = 0;

	if (s->urgent.writer && s->options.ends_preempt)
		r = channel_end(&s->urgent, f);
	return r < 0 ? r : channel_end(&s->main, f);
}

int page_service_finish(struct page_service *s, struct fault *f)
{
	pthread_mutex_lock(&s->lock);
	int r = wait_until_all_is_sent(s, f);
	pthread_mutex_unlock(&s->lock);
	if (!r)
		r = write_end(s, f);
	pthread_mutex_lock(&s->lock);
	if (!r)
		r = wait_until(s, has_shut, END_LIMIT_MS, "loaded all pages", f);
	pthread_mutex_unlock(&s->lock);
	page_service_close(s);
	return r;
}

void page_service_close(struct page_service *s)
{
	const struct fault over = {.code = -ECANCELED};

	if (!s)
		return;
	if (s->thread_count)
		service_fail(s, &over);
	while (s->thread_count)
		pthread_join(s->threads[--s->thread_count], NULL);
	channel_close(&s->main);
	channel_close(&s->urgent);
	return_path_free(s->return_path);
	claims_clear(&s->claims);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->calm);
	pthread_cond_destroy(&s->step);
	free(s);
}
