/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All pages, a segment of the store after the other, in the gaps that demanded ones leave. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "restore/service.h"
#include "vmguard/clock.h"

enum {
	RATE_STEP_US = 50000,
	LET_PASS_US = 2000,
	BACKGROUND_NICE = 15, /* the guest's CPUs and what it asks for come first */
};

/* A demanded page goes first. */
static bool wait_for_calm(struct page_service *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->urgent_count && !s->ending)
		pthread_cond_wait(&s->calm, &s->lock);
	bool go = !s->ending;
	pthread_mutex_unlock(&s->lock);
	return go;
}

/* The same, but not for long: a guest that always asks for something gets the rest all the same. */
static void let_pass(struct page_service *s)
{
	int64_t until = clock_us(CLOCK_REALTIME) + LET_PASS_US;
	const struct timespec t = {until / 1000000, until % 1000000 * 1000};

	pthread_mutex_lock(&s->lock);
	while (s->urgent_count && !s->ending)
		if (pthread_cond_timedwait(&s->calm, &s->lock, &t))
			break;
	pthread_mutex_unlock(&s->lock);
}

/* When so many bytes may go out at max_rate, behind what the others are to send. */
static int64_t take_turn(struct page_service *s, size_t bytes)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);

	pthread_mutex_lock(&s->lock);
	int64_t due = s->rate_us > now ? s->rate_us : now;
	s->rate_us = due + bytes * INT64_C(1000000) / s->options.max_rate;
	pthread_mutex_unlock(&s->lock);
	return due;
}

/* Before anything is claimed: a page that is claimed and not sent cannot be asked for. */
static bool wait_for_turn(struct page_service *s, size_t pages)
{
	int64_t due = s->options.max_rate ? take_turn(s, pages * s->layout->page_bytes) : 0;
	int64_t left;

	while ((left = due - clock_us(CLOCK_MONOTONIC)) > 0 && !service_is_ending(s))
		sleep_us(left < RATE_STEP_US ? left : RATE_STEP_US);
	return wait_for_calm(s);
}

/* Those of them that nobody else has sent meanwhile. */
static int send_batch(struct page_service *s, const uint64_t *pages, size_t count,
		      const uint8_t *buffer, struct fault *f)
{
	uint64_t claimed[BATCH_PAGES];
	const uint8_t *data[BATCH_PAGES];
	size_t n = 0;

	if (!count || !wait_for_turn(s, count))
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!claims_take(&s->claims, pages[i]))
			continue;
		data[n] = checkpoint_page_in(s->options.checkpoint, pages[i], buffer, f);
		if (!data[n])
			return f->code;
		claimed[n++] = pages[i];
	}
	int r = channel_send(&s->main, &(struct page_batch){claimed, n, data}, f);
	if (!r)
		s->sent += n;
	return r;
}

static int send_small_pages(struct page_service *s, const struct segment_pages *pages,
			    const uint8_t *buffer, struct fault *f)
{
	uint64_t batch[BATCH_PAGES];
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; !r && i < pages->count; i++) {
		uint64_t page = pages->pages[i];

		if (unit_pages(s, page) == 1 && !claims_taken(&s->claims, page))
			batch[count++] = page;
		if (count == BATCH_PAGES) {
			r = send_batch(s, batch, count, buffer, f);
			count = 0;
		}
	}
	return r < 0 ? r : send_batch(s, batch, count, buffer, f);
}

/* Host pages of hugetlb: whole, though their pages may lie in several segments. */
static int send_large_pages(struct page_service *s, const struct segment_pages *pages,
			    struct fault *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < pages->count; i++) {
		uint64_t first = unit_first(s, pages->pages[i]);

		if (unit_pages(s, first) == 1 || claims_taken(&s->claims, first))
			continue;
		if (wait_for_turn(s, unit_pages(s, first)) && claims_take(&s->claims, first))
			r = send_unit(s, &s->main, first, f);
	}
	return r;
}

struct piece {
	struct checkpoint *checkpoint;
	const struct segment_pages *pages;
	size_t at, bytes;
	uint8_t *buffer;
};

static int read_piece(void *piece, struct fault *f)
{
	const struct piece *p = piece;

	return checkpoint_read_segment(p->checkpoint, p->pages, p->at, p->bytes, p->buffer, f);
}

/* In pieces, so that a demanded page waits little behind one in the store. */
static int read_segment(struct page_service *s, const struct segment_pages *pages, uint8_t *buffer,
			struct fault *f)
{
	struct checkpoint *c = s->options.checkpoint;
	size_t bytes = checkpoint_segment_bytes(c, pages);
	struct piece p = {c, pages, 0, bytes, buffer};
	int r = 0;

	for (; !r && p.at < bytes && !service_is_ending(s); p.at += p.bytes) {
		p.bytes = bytes - p.at < PIECE_BYTES ? bytes - p.at : PIECE_BYTES;
		let_pass(s);
		r = read_patiently(s, read_piece, &p, f);
	}
	return r;
}

static bool has_work(struct page_service *s, const struct segment_pages *pages)
{
	for (size_t i = 0; i < pages->count; i++)
		if (!claims_taken(&s->claims, unit_first(s, pages->pages[i])))
			return true;
	return false;
}

static int send_segment(struct page_service *s, const struct segment_pages *pages, uint8_t *buffer,
			struct fault *f)
{
	if (!has_work(s, pages))
		return 0;
	int r = read_segment(s, pages, buffer, f);
	if (!r)
		r = send_small_pages(s, pages, buffer, f);
	return r < 0 ? r : send_large_pages(s, pages, f);
}

void *background_main(void *service)
{
	struct page_service *s = service;
	auto_free uint8_t *buffer = malloc(STORE_SEGMENT_BYTES);
	struct segment_pages pages;
	struct fault f;

	setpriority(PRIO_PROCESS, gettid(), BACKGROUND_NICE);
	int r = buffer ? 0 : fault_errno(&f, -ENOMEM, "read a segment");

	while (!r && !service_is_ending(s) &&
	       checkpoint_segment(s->options.checkpoint, s->next_segment++, &pages))
		r = send_segment(s, &pages, buffer, &f);
	if (r < 0)
		service_fail(s, &f);
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->step);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}
