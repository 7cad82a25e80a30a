/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "restore/service.h"
#include "vmguard/clock.h"

enum { RETRY_US = 200000 };

size_t unit_pages(const struct page_service *s, uint64_t page)
{
	const struct ram_block *b = layout_block_of(s->layout, page);

	return s->options.host_page_bytes[b - s->layout->blocks] / s->layout->page_bytes;
}

uint64_t unit_first(const struct page_service *s, uint64_t page)
{
	const struct ram_block *b = layout_block_of(s->layout, page);
	size_t pages = unit_pages(s, page);

	return b->first_page + (page - b->first_page) / pages * pages;
}

int read_patiently(struct page_service *s, int (*read)(void *context, struct fault *f),
		   void *context, struct fault *f)
{
	int64_t until = monotonic_ms() + s->options.store_wait_ms;
	int r;

	while ((r = read(context, f)) < 0 && r != -EBADMSG && monotonic_ms() < until &&
	       !service_is_ending(s))
		sleep_us(RETRY_US);
	return r;
}

struct reading {
	struct checkpoint *checkpoint;
	const uint64_t *pages;
	size_t count;
	uint8_t *data;
};

static int read_pages(void *reading, struct fault *f)
{
	struct reading *r = reading;

	return checkpoint_read_pages(r->checkpoint, r->pages, r->count, r->data, f);
}

int read_claimed(struct page_service *s, const uint64_t *pages, size_t count, uint8_t *data,
		 struct fault *f)
{
	struct reading reading = {s->options.checkpoint, pages, count, data};

	return read_patiently(s, read_pages, &reading, f);
}

int send_unit(struct page_service *s, struct channel *c, uint64_t first, struct fault *f)
{
	size_t page_bytes = s->layout->page_bytes;
	size_t count = unit_pages(s, first);
	uint64_t all[UNIT_PAGES_MAX], stored[UNIT_PAGES_MAX];
	const uint8_t *data[UNIT_PAGES_MAX] = {NULL};
	size_t stored_count = 0;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		all[i] = first + i;
		if (checkpoint_segment_of(s->options.checkpoint, first + i))
			stored[stored_count++] = first + i;
	}
	auto_free uint8_t *bytes = malloc(stored_count * page_bytes + 1);
	if (!bytes)
		return fault_errno(f, -ENOMEM, "read pages");
	if (stored_count)
		r = read_claimed(s, stored, stored_count, bytes, f);
	for (size_t i = 0; i < stored_count; i++)
		data[stored[i] - first] = bytes + i * page_bytes;
	if (!r)
		r = channel_send(c, &(struct page_batch){all, count, data}, f);
	if (!r)
		s->sent += stored_count;
	return r;
}
