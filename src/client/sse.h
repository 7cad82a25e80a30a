/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Server-sent events, cut into events. Pure: no I/O, resumes at any byte.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
#pragma once

#include <stdbool.h>

#include "client/text.h"
#include "vmguard/client.h"

enum { SSE_ID_BYTES = 256, SSE_KIND_BYTES = 64 };

struct sse {
	int (*event)(void *context, const struct client_event *e);
	void *context;

	struct text line, data;
	char id[SSE_ID_BYTES], kind[SSE_KIND_BYTES];
	bool has_data, after_return, is_begun;
	int told; /* what the last event() gave */
};

/*
 * 0, or what the first event() gave that is not 0. -EMSGSIZE: an event, id or kind is too long.
 * Nothing is fed after that.
 */
int sse_feed(struct sse *s, const char *bytes, size_t count);
void sse_close(struct sse *s); /* what has no end is dropped */
