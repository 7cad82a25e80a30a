/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last checkpoints of a guest, for people who look back. */
#include "guest.h"

void taken_add(struct guest *g, const struct taken *t)
{
	g->history[g->taken++ % HISTORY] = *t;
}

uint64_t taken_oldest(const struct guest *g)
{
	return g->taken > HISTORY ? g->taken - HISTORY : 0;
}

const struct taken *taken_at(const struct guest *g, uint64_t i)
{
	return &g->history[i % HISTORY];
}

const struct taken *taken_newest(const struct guest *g)
{
	return g->taken ? taken_at(g, g->taken - 1) : NULL;
}
