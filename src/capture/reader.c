/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/reader.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "vmguard/capture.h"
#include "vmguard/clock.h"
#include "vmguard/stream.h"

enum {
	READ_BYTES = 1 << 20,
	/*
	 * QEMU writes a few pages at a time. Waking up for each write costs more than the reading,
	 * so a read that found little is followed by a short sleep; the pipe takes what comes
	 * meanwhile.
	 */
	LITTLE_BYTES = 256 << 10,
	GATHER_US = 500,
	QUIT_POLL_MS = 200,
};

struct reader {
	struct stream_sink sink; /* first: the parser hands it back */
	struct reader_options options;
	struct stream_parser *parser;
	pthread_t thread;
	struct fault failure; /* the thread's until it is joined, */
	int result;
	cpu_set_t cpus; /* and this one until it has ended */
	_Atomic bool abandoned, quitting;
	_Atomic bool ended;
	_Atomic uint64_t bytes, pages, pages_zero, pages_total, device_bytes;
	_Atomic int64_t first_us;
	uint8_t buffer[READ_BYTES];
};

static uint64_t spool_limit(const struct reader *r, const struct ram_layout *l)
{
	uint64_t bytes = r->options.spool_bytes ? r->options.spool_bytes : layout_bytes(l) / 4;

	return bytes < SPOOL_BYTES_MIN ? SPOOL_BYTES_MIN : bytes;
}

static int reader_layout(struct stream_sink *s, const struct ram_layout *l, struct fault *f)
{
	struct reader *r = (struct reader *)s;

	r->pages_total = l->pages;
	spool_set_limit(r->options.spool, spool_limit(r, l));
	return image_begin(r->options.image, l, spool_buffers(r->options.spool), f);
}

static int reader_page(struct stream_sink *s, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct reader *r = (struct reader *)s;

	if (!atomic_fetch_add_explicit(&r->pages, 1, memory_order_relaxed))
		r->first_us = clock_us(CLOCK_REALTIME);
	if (!data)
		atomic_fetch_add_explicit(&r->pages_zero, 1, memory_order_relaxed);
	return image_add_page(r->options.image, page, data, f);
}

static int reader_devices(struct stream_sink *s, const uint8_t *state, size_t bytes,
			  struct fault *f)
{
	struct reader *r = (struct reader *)s;

	r->device_bytes = bytes;
	if (!r->options.stopped)
		return image_end(r->options.image, state, bytes, f);
	auto_free uint8_t *changed = malloc(bytes + 1);
	if (!changed)
		return fault_errno(f, -ENOMEM, "keep %zu bytes of device state", bytes);
	memcpy(changed, state, bytes);
	stream_mark_running(changed, bytes);
	return image_end(r->options.image, changed, bytes, f);
}

static void consume(struct reader *r, size_t bytes)
{
	r->bytes += bytes;
	if (r->abandoned || r->result < 0)
		return;
	r->result = stream_feed(r->parser, r->buffer, bytes, &r->failure);
	if (r->result < 0)
		spool_cancel(r->options.spool); /* nothing of it will be committed */
}

/* Reads once: false at the end of file. */
static bool read_some(struct reader *r)
{
	ssize_t n = read(r->options.fd, r->buffer, sizeof(r->buffer));

	CPU_SET(sched_getcpu(), &r->cpus);
	if (n > 0)
		consume(r, n);
	if (n < 0 && errno == EAGAIN) {
		struct pollfd fd = {.fd = r->options.fd, .events = POLLIN};

		poll(&fd, 1, QUIT_POLL_MS);
	}
	if (n < LITTLE_BYTES && n != 0)
		sleep_us(GATHER_US);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void *reader_main(void *reader)
{
	struct reader *r = reader;

	while (read_some(r) && !r->quitting)
		;
	if (!r->result && r->abandoned)
		r->result = fault_set(&r->failure, -ECANCELED, "the snapshot was dropped");
	if (!r->result) {
		r->result = stream_finish(r->parser, &r->failure);
		if (r->result < 0)
			spool_cancel(r->options.spool);
	}
	r->ended = true;
	return NULL;
}

int reader_start(const struct reader_options *options, struct reader **out, struct fault *f)
{
	static const struct stream_sink_ops ops = {reader_layout, reader_page, reader_devices};
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return fault_errno(f, -ENOMEM, "start the reader");
	r->sink.ops = &ops;
	r->options = *options;
	r->parser = stream_parser_new(&r->sink);
	int error = r->parser ? -pthread_create(&r->thread, NULL, reader_main, r) : -ENOMEM;
	if (error < 0) {
		stream_parser_free(r->parser);
		free(r);
		return fault_errno(f, error, "start the reader");
	}
	*out = r;
	return 0;
}

void reader_abandon(struct reader *r)
{
	r->abandoned = true;
	spool_cancel(r->options.spool);
}

void reader_quit(struct reader *r)
{
	reader_abandon(r);
	r->quitting = true;
}

void reader_figures(const struct reader *r, struct reader_figures *figures)
{
	*figures = (struct reader_figures){
		.bytes = r->bytes,
		.pages = r->pages,
		.pages_zero = r->pages_zero,
		.pages_total = r->pages_total,
		.device_bytes = r->device_bytes,
		.first_us = r->first_us,
		.ended = r->ended,
	};
	if (figures->ended)
		figures->cpus = r->cpus;
}

int reader_finish(struct reader *r, struct fault *f)
{
	pthread_join(r->thread, NULL);
	int result = r->result;
	if (result < 0)
		*f = r->failure;
	stream_parser_free(r->parser);
	free(r);
	return result;
}
