/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The buffer of a stream writer, shared by writer.c and postcopy.c. */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "stream/wire.h"
#include "vmguard/stream.h"

enum {
	BUFFER_BYTES = 1 << 20,
	RECORD_BYTES_MAX = 8 + 1 + WIRE_NAME_MAX, /* without the page */
	CLOSING_BYTES = 8 + 5,			  /* EOS, footer */
	PART_HEAD_BYTES = 5,
};

struct stream_writer {
	const struct ram_layout *layout;
	struct stream_output *output;
	const struct ram_block *block; /* of the last record, for CONTINUE */
	uint64_t pages;
	bool in_part;
	bool bare; /* records without sections: a channel for demanded pages */
	size_t used;
	uint8_t buffer[BUFFER_BYTES];
};

int stream_writer_flush(struct stream_writer *w, struct fault *f);

/* Room for that many bytes: ends the section and flushes where there is less. */
int stream_writer_room(struct stream_writer *w, size_t bytes, struct fault *f);

/* Up to the list of blocks; with host page sizes (may be NULL) as a destination of postcopy
 * expects. */
void stream_writer_put_start(struct stream_writer *w);
int stream_writer_put_blocks(struct stream_writer *w, const uint64_t *host_page_bytes,
			     struct fault *f);

/* The put functions need room that the caller has made. */
static inline void put(struct stream_writer *w, const void *bytes, size_t length)
{
	memcpy(w->buffer + w->used, bytes, length);
	w->used += length;
}

static inline void put8(struct stream_writer *w, uint8_t value)
{
	w->buffer[w->used++] = value;
}

static inline void put32(struct stream_writer *w, uint32_t value)
{
	wire_put32(w->buffer + w->used, value);
	w->used += 4;
}

static inline void put64(struct stream_writer *w, uint64_t value)
{
	wire_put64(w->buffer + w->used, value);
	w->used += 8;
}

static inline void put_name(struct stream_writer *w, const char *name)
{
	size_t length = strlen(name);

	put8(w, length);
	put(w, name, length);
}

static inline void open_section(struct stream_writer *w, uint8_t type)
{
	put8(w, type);
	put32(w, w->layout->ram_section_id);
}

static inline void close_section(struct stream_writer *w)
{
	put64(w, WIRE_PAGE_EOS);
	put8(w, WIRE_SECTION_FOOTER);
	put32(w, w->layout->ram_section_id);
}
