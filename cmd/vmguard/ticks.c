/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ticks.h"

int64_t ticks_wait_ms(const struct ticks *t, int64_t now_ms)
{
	int64_t due_ms = t->first_ms + (int64_t)t->next * t->every_ms;

	return due_ms > now_ms ? due_ms - now_ms : 0;
}

uint64_t ticks_pass(struct ticks *t, int64_t now_ms)
{
	uint64_t done = t->next++;
	int64_t since_ms = now_ms - t->first_ms;
	uint64_t not_over = since_ms > 0 ? (since_ms + t->every_ms - 1) / t->every_ms : 0;

	if (not_over > t->next)
		t->next = not_over;
	return t->next - done - 1;
}
