/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that the guest waits for, and then those around them, which it will want next. */
#include <errno.h>

#include "restore/service.h"
#include "vmguard/clock.h"

enum { BESIDE_PAGES = 8 }; /* on each side: what a demanded page may be read along with */

static bool next_demand(struct page_service *s, struct demand *d)
{
	pthread_mutex_lock(&s->lock);
	while (!s->queue_count && !s->ending)
		pthread_cond_wait(&s->work, &s->lock);
	bool any = !s->ending;
	if (any) {
		*d = s->queue[s->queue_first];
		s->queue_first = (s->queue_first + 1) % QUEUE_MAX;
		s->queue_count--;
		s->urgent_count++;
	}
	pthread_mutex_unlock(&s->lock);
	return any;
}

static void demand_done(struct page_service *s, const struct demand *d, bool served)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);

	pthread_mutex_lock(&s->lock);
	s->demand_us = now;
	if (--s->urgent_count == 0)
		pthread_cond_broadcast(&s->calm);
	if (served)
		latency_add(&s->latency, now - d->since_us);
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
}

/* The page that is asked for and those around it that are neither zero nor claimed. */
struct window {
	uint64_t pages[WINDOW_PAGES];
	size_t count;
	size_t demanded; /* which of them */
	uint8_t *data;	 /* of all */
};

static void claim_window(struct page_service *s, uint64_t page, struct window *w)
{
	const struct ram_block *b = layout_block_of(s->layout, page);
	uint64_t begin = page / WINDOW_PAGES * WINDOW_PAGES;
	uint64_t end = begin + WINDOW_PAGES;

	for (uint64_t p = begin; p < end; p++) {
		if (p < b->first_page || p >= b->first_page + b->pages)
			continue;
		if (p == page)
			w->demanded = w->count;
		else if (!checkpoint_segment_of(s->options.checkpoint, p) ||
			 !claims_take(&s->claims, p))
			continue;
		w->pages[w->count++] = p;
	}
}

static int read_part(struct page_service *s, const struct window *w, size_t from, size_t to,
		     struct fault *f)
{
	return from == to ? 0
			  : read_claimed(s, w->pages + from, to - from,
					 w->data + from * s->layout->page_bytes, f);
}

static int send_part(struct page_service *s, struct channel *c, const struct window *w, size_t from,
		     size_t to, struct fault *f)
{
	const uint8_t *data[WINDOW_PAGES];

	if (from == to)
		return 0;
	for (size_t i = from; i < to; i++)
		data[i - from] = w->data + i * s->layout->page_bytes;
	int r = channel_send(c, &(struct page_batch){w->pages + from, to - from, data}, f);
	if (!r)
		s->sent += to - from;
	return r;
}

/* What lies beside the demanded page in the store comes by the same read; the rest afterwards. */
static int serve_window(struct page_service *s, struct channel *c, const struct demand *d,
			struct fault *f)
{
	const struct checkpoint *image = s->options.checkpoint;
	auto_free uint8_t *data = malloc(WINDOW_PAGES * s->layout->page_bytes);
	struct window w = {.data = data};

	if (!data)
		return fault_errno(f, -ENOMEM, "read pages");
	claim_window(s, d->page, &w);
	size_t from = w.demanded;
	size_t to = from + 1;
	while (from > 0 && from + BESIDE_PAGES > w.demanded &&
	       checkpoint_adjacent(image, w.pages[from - 1], w.pages[from]))
		from--;
	while (to < w.count && to <= w.demanded + BESIDE_PAGES &&
	       checkpoint_adjacent(image, w.pages[to - 1], w.pages[to]))
		to++;
	int r = read_part(s, &w, from, to, f);
	if (!r)
		r = send_part(s, c, &w, w.demanded, w.demanded + 1, f);
	demand_done(s, d, true);
	if (!r)
		r = send_part(s, &s->main, &w, from, w.demanded, f);
	if (!r)
		r = send_part(s, &s->main, &w, w.demanded + 1, to, f);
	if (!r)
		r = read_part(s, &w, 0, from, f);
	if (!r)
		r = send_part(s, &s->main, &w, 0, from, f);
	if (!r)
		r = read_part(s, &w, to, w.count, f);
	return r < 0 ? r : send_part(s, &s->main, &w, to, w.count, f);
}

static int serve_units(struct page_service *s, struct channel *c, const struct demand *d,
		       struct fault *f)
{
	bool served = false;
	int r = 0;

	for (uint64_t page = unit_first(s, d->page); !r && page < d->page + d->pages;
	     page += unit_pages(s, page)) {
		if (!claims_take(&s->claims, page))
			continue; /* on its way already */
		served = true;
		r = send_unit(s, c, page, f);
	}
	demand_done(s, d, served);
	return r;
}

/* A page that is stored, of the usual size, and still to be sent. */
static bool claim_one_page(struct page_service *s, const struct demand *d)
{
	return d->pages == 1 && unit_pages(s, d->page) == 1 &&
	       checkpoint_segment_of(s->options.checkpoint, d->page) &&
	       claims_take(&s->claims, d->page);
}

void *demand_main(void *service)
{
	struct page_service *s = service;
	struct channel *c = s->urgent.writer ? &s->urgent : &s->main;
	struct demand d;
	struct fault f;

	while (next_demand(s, &d)) {
		int r = claim_one_page(s, &d) ? serve_window(s, c, &d, &f)
					      : serve_units(s, c, &d, &f);

		if (r < 0 && !s->main.ended)
			service_fail(s, &f);
	}
	return NULL;
}
