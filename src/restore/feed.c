/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restore/feed.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "vmguard/clock.h"
#include "vmguard/stream.h"

enum {
	PAGES_A_REPORT = 4096,
	TAKE_LIMIT_MS = 60000, /* QEMU must take something within it */
};

struct feeder {
	struct stream_output output; /* first: the writer hands it back */
	struct page_sink sink;
	const struct restore_options *options;
	struct stream_writer *writer;
	int fd;
	int64_t started_ms;
	struct restore_progress progress;
};

static struct feeder *feeder_of(struct page_sink *s)
{
	return (struct feeder *)(void *)((char *)s - offsetof(struct feeder, sink));
}

/* A socket's reader may be gone: that is an error here, not a SIGPIPE. */
static ssize_t write_some(int fd, const void *bytes, size_t length)
{
	ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? write(fd, bytes, length) : n;
}

static bool takes_more(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	return poll(&ready, 1, TAKE_LIMIT_MS) != 0;
}

static int feeder_write(struct stream_output *o, const void *bytes, size_t length, struct fault *f)
{
	struct feeder *feeder = (struct feeder *)o;
	const char *next = bytes;

	while (length) {
		ssize_t n = write_some(feeder->fd, next, length);

		if (n < 0 && (errno == EINTR || (errno == EAGAIN && takes_more(feeder->fd))))
			continue;
		if (n < 0)
			return fault_errno(f, errno == EAGAIN ? -ETIMEDOUT : -errno,
					   "write the stream");
		next += n;
		length -= n;
		feeder->progress.bytes_sent += n;
	}
	return 0;
}

static int feeder_page(struct page_sink *s, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct feeder *feeder = feeder_of(s);
	const struct restore_options *options = feeder->options;

	if (options->stop && *options->stop)
		return fault_set(f, -ECANCELED, "stopped");
	if (++feeder->progress.pages_done % PAGES_A_REPORT == 0 && options->progress) {
		feeder->progress.elapsed_ms = monotonic_ms() - feeder->started_ms;
		options->progress(options->progress_context, &feeder->progress);
	}
	return stream_write_page(feeder->writer, page, data, f);
}

static int feed_stream(struct feeder *feeder, struct checkpoint *c, struct fault *f)
{
	auto_free uint8_t *devices = NULL;
	size_t device_bytes;
	int r = checkpoint_devices(c, &devices, &device_bytes, f);

	if (!r)
		r = stream_write_head(feeder->writer, f);
	if (!r)
		r = checkpoint_each_page(c, &feeder->sink, f);
	if (!r)
		r = stream_write_end(feeder->writer, devices, device_bytes, f);
	return r;
}

int feed(struct checkpoint *c, int fd, const struct restore_options *options,
	 struct restore_result *result, struct fault *f)
{
	static const struct stream_output_ops output = {feeder_write};
	static const struct page_sink_ops sink = {feeder_page};
	const struct ram_layout *l = &checkpoint_manifest(c)->layout;
	struct feeder feeder = {
		.output = {&output},
		.sink = {&sink},
		.options = options,
		.fd = fd,
		.started_ms = options->since_ms,
		.progress = {.pages_total = l->pages},
	};
	auto_of(stream_writer_free) struct stream_writer *writer =
		stream_writer_new(l, &feeder.output);

	if (!writer)
		return fault_errno(f, -ENOMEM, "make a stream writer");
	feeder.writer = writer;
	int r = feed_stream(&feeder, c, f);
	*result = (struct restore_result){
		.pages_total = l->pages,
		.pages_sent = feeder.progress.pages_done,
		.bytes_sent = feeder.progress.bytes_sent,
		.total_ms = monotonic_ms() - feeder.started_ms,
	};
	return r;
}

int restore_export(struct checkpoint *c, int fd, const struct restore_options *options,
		   struct restore_result *result, struct fault *f)
{
	return feed(c, fd, options, result, f);
}
