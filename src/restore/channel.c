/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restore/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int channel_write(struct stream_output *o, const void *bytes, size_t length, struct fault *f)
{
	struct channel *c = (struct channel *)o;
	const char *next = bytes;

	while (length) {
		ssize_t n = send(c->fd, next, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(f, errno == EAGAIN ? -ETIMEDOUT : -errno,
					   "send to QEMU");
		next += n;
		length -= n;
		c->bytes += n;
	}
	return 0;
}

int channel_open(struct channel *c, const struct ram_layout *l, int fd, struct fault *f)
{
	static const struct stream_output_ops ops = {channel_write};

	c->output.ops = &ops;
	c->fd = fd;
	pthread_mutex_init(&c->lock, NULL);
	c->writer = stream_writer_new(l, &c->output);
	return c->writer ? 0 : fault_errno(f, -ENOMEM, "make a stream writer");
}

void channel_close(struct channel *c)
{
	if (!c->writer)
		return;
	stream_writer_free(give(c->writer));
	pthread_mutex_destroy(&c->lock);
}

int channel_send(struct channel *c, const struct page_batch *batch, struct fault *f)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; !r && !c->ended && i < batch->count; i++)
		r = stream_write_page(c->writer, batch->pages[i], batch->data[i], f);
	if (!r && !c->ended)
		r = stream_write_pages_now(c->writer, f);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int channel_end(struct channel *c, struct fault *f)
{
	pthread_mutex_lock(&c->lock);
	int r = stream_write_postcopy_end(c->writer, f);
	c->ended = true;
	pthread_mutex_unlock(&c->lock);
	return r;
}
