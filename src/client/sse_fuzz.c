/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes, whole and in pieces whose sizes come from the bytes: the events are the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct sum {
	uint64_t events, hash;
};

static void add(struct sum *s, const char *text)
{
	for (; *text; text++)
		s->hash = (s->hash ^ (unsigned char)*text) * 0x100000001b3; /* FNV-1a */
	s->hash *= 3;
}

static int take(void *context, const struct client_event *e)
{
	struct sum *s = context;

	s->events++;
	add(s, e->id);
	add(s, e->kind);
	add(s, e->data);
	return 0;
}

static int feed(const uint8_t *data, size_t bytes, bool in_pieces, struct sum *sum)
{
	struct sse s = {.event = take, .context = sum};
	int r = 0;

	for (size_t at = 0, piece; at < bytes && r == 0; at += piece) {
		piece = in_pieces ? 1 + data[at] % 7u : bytes;
		if (piece > bytes - at)
			piece = bytes - at;
		r = sse_feed(&s, (const char *)data + at, piece);
	}
	sse_close(&s);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct sum whole = {0}, pieces = {0};
	int a = feed(data, bytes, false, &whole), b = feed(data, bytes, true, &pieces);

	if (a != b || whole.events != pieces.events || whole.hash != pieces.hash)
		abort();
	return 0;
}
