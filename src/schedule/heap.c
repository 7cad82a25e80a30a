/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schedule/heap.h"

#include <errno.h>
#include <stdlib.h>

int heap_reserve(struct heap *h, size_t room)
{
	if (room <= h->room)
		return 0;
	size_t more = room > 2 * h->room ? room : 2 * h->room;
	void *guests = reallocarray(h->guests, more, sizeof(void *));
	if (!guests)
		return -ENOMEM;
	h->guests = guests;
	h->room = more;
	return 0;
}

static void put(struct heap *h, size_t index, struct schedule_guest *g)
{
	h->guests[index] = g;
	g->index = index;
}

static void sift_up(struct heap *h, size_t index, struct schedule_guest *g)
{
	while (index && h->guests[(index - 1) / 2]->at_ms > g->at_ms) {
		put(h, index, h->guests[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put(h, index, g);
}

static void sift_down(struct heap *h, size_t index, struct schedule_guest *g)
{
	for (;;) {
		size_t child = 2 * index + 1;

		if (child + 1 < h->count && h->guests[child + 1]->at_ms < h->guests[child]->at_ms)
			child++;
		if (child >= h->count || h->guests[child]->at_ms >= g->at_ms)
			break;
		put(h, index, h->guests[child]);
		index = child;
	}
	put(h, index, g);
}

void heap_push(struct heap *h, struct schedule_guest *g)
{
	sift_up(h, h->count++, g);
}

void heap_remove(struct heap *h, const struct schedule_guest *g)
{
	struct schedule_guest *last = h->guests[--h->count];

	if (last == g)
		return;
	sift_down(h, g->index, last);
	sift_up(h, last->index, last);
}

struct schedule_guest *heap_first(const struct heap *h)
{
	return h->count ? h->guests[0] : NULL;
}

void heap_free(struct heap *h)
{
	free(h->guests);
}
