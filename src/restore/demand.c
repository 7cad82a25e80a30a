/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that the guest waits for, and then those around them, which it will want next. */
#include "restore/service.h"
#include "vmguard/clock.h"

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
	pthread_mutex_lock(&s->lock);
	if (--s->urgent_count == 0)
		pthread_cond_broadcast(&s->calm);
	if (served && s->latency_count < LATENCIES_MAX)
		s->latencies_us[s->latency_count++] = clock_us(CLOCK_MONOTONIC) - d->since_us;
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
	s->demanded += served;
}

/* The pages around it that are not zero, once it is on its way. */
static int send_window(struct page_service *s, uint64_t page, struct fault *f)
{
	const struct ram_block *b = layout_block_of(s->layout, page);
	uint64_t first = page / WINDOW_PAGES * WINDOW_PAGES;
	uint64_t pages[WINDOW_PAGES];
	size_t count = 0;

	for (uint64_t p = first; p < first + WINDOW_PAGES; p++)
		if (p >= b->first_page && p < b->first_page + b->pages &&
		    checkpoint_segment_of(s->options.checkpoint, p) && claims_take(&s->claims, p))
			pages[count++] = p;
	return count ? send_claimed(s, &s->main, pages, count, f) : 0;
}

static int serve(struct page_service *s, const struct demand *d, bool *served, struct fault *f)
{
	struct channel *c = s->urgent.writer ? &s->urgent : &s->main;
	int r = 0;

	for (uint64_t page = d->page; !r && page < d->page + d->pages;
	     page = unit_first(s, page) + unit_pages(s, page)) {
		uint64_t first = unit_first(s, page);

		if (!claims_take(&s->claims, first))
			continue; /* on its way already */
		*served = true;
		r = send_unit(s, c, first, f);
	}
	return r;
}

void *demand_main(void *service)
{
	struct page_service *s = service;
	struct demand d;
	struct fault f;

	while (next_demand(s, &d)) {
		bool served = false;
		int r = serve(s, &d, &served, &f);

		demand_done(s, &d, served);
		if (!r && served && unit_pages(s, d.page) == 1)
			r = send_window(s, d.page, &f);
		if (r < 0 && !s->main.ended)
			service_fail(s, &f);
	}
	return NULL;
}
