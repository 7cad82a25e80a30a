/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes what `-incoming` takes:
 *
 *	magic, version, CONFIGURATION as recorded
 *	START ram, the list of blocks
 *	PART: page records … EOS footer      as many as there are buffers
 *	END:  EOS footer
 *	the device state | EOF | VM description, which QEMU skips
 *
 * Every page is written, zero pages too: leaving one out is right only where the
 * destination's block is fresh anonymous memory, and that cannot be seen from here.
 */
#include "stream/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct stream_writer *stream_writer_new(const struct ram_layout *l, struct stream_output *o)
{
	struct stream_writer *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	w->layout = l;
	w->output = o;
	w->block = NULL;
	w->pages = 0;
	w->in_part = false;
	w->bare = false;
	w->used = 0;
	return w;
}

void stream_writer_free(struct stream_writer *w)
{
	free(w);
}

int stream_writer_flush(struct stream_writer *w, struct fault *f)
{
	int r = w->used ? w->output->ops->write(w->output, w->buffer, w->used, f) : 0;

	w->used = 0;
	return r;
}

int stream_writer_room(struct stream_writer *w, size_t bytes, struct fault *f)
{
	if (w->used + bytes <= BUFFER_BYTES - CLOSING_BYTES)
		return 0;
	if (w->in_part)
		close_section(w);
	w->in_part = false;
	return stream_writer_flush(w, f);
}

void stream_writer_put_start(struct stream_writer *w)
{
	const struct ram_layout *l = w->layout;

	put32(w, WIRE_MAGIC);
	put32(w, WIRE_VERSION);
	put(w, l->configuration, l->configuration_bytes);
}

int stream_writer_put_blocks(struct stream_writer *w, const uint64_t *host_page_bytes,
			     struct fault *f)
{
	const struct ram_layout *l = w->layout;

	open_section(w, WIRE_SECTION_START);
	put_name(w, "ram");
	put32(w, 0); /* instance */
	put32(w, WIRE_RAM_SECTION_VERSION);
	put64(w, layout_bytes(l) | WIRE_PAGE_MEM_SIZE);
	for (size_t i = 0; i < l->block_count; i++) {
		int r = stream_writer_room(w, RECORD_BYTES_MAX + 8, f);

		if (r < 0)
			return r;
		put_name(w, l->blocks[i].name);
		put64(w, l->blocks[i].bytes);
		if (host_page_bytes && host_page_bytes[i] != l->page_bytes)
			put64(w, host_page_bytes[i]);
	}
	close_section(w);
	return stream_writer_flush(w, f);
}

int stream_write_head(struct stream_writer *w, struct fault *f)
{
	stream_writer_put_start(w);
	return stream_writer_put_blocks(w, NULL, f);
}

static void put_record(struct stream_writer *w, uint64_t page, uint64_t kind)
{
	const struct ram_block *block = layout_block_of(w->layout, page);
	uint64_t record = (page - block->first_page) * w->layout->page_bytes | kind;

	if (block == w->block) {
		put64(w, record | WIRE_PAGE_CONTINUE);
		return;
	}
	put64(w, record);
	put_name(w, block->name);
	w->block = block;
}

int stream_write_page(struct stream_writer *w, uint64_t page, const uint8_t *data, struct fault *f)
{
	int r = stream_writer_room(w, PART_HEAD_BYTES + RECORD_BYTES_MAX + w->layout->page_bytes,
				   f);

	if (r < 0)
		return r;
	if (!w->in_part && !w->bare)
		open_section(w, WIRE_SECTION_PART);
	w->in_part = !w->bare;
	put_record(w, page, data ? WIRE_PAGE_DATA : WIRE_PAGE_ZERO);
	if (data)
		put(w, data, w->layout->page_bytes);
	else
		put8(w, 0);
	w->pages++;
	return 0;
}

int stream_write_end(struct stream_writer *w, const uint8_t *devices, size_t bytes, struct fault *f)
{
	char description[64];

	if (w->pages != w->layout->pages)
		return fault_set(f, -ENODATA, "%" PRIu64 " of %" PRIu64 " pages were written",
				 w->pages, w->layout->pages);
	if (w->in_part)
		close_section(w);
	w->in_part = false;
	int r = stream_writer_flush(w, f);
	if (r < 0)
		return r;
	open_section(w, WIRE_SECTION_END);
	close_section(w);
	r = stream_writer_flush(w, f);
	if (r < 0)
		return r;
	r = w->output->ops->write(w->output, devices, bytes, f);
	if (r < 0)
		return r;
	snprintf(description, sizeof(description), "{\"page_size\": %u, \"devices\": []}",
		 w->layout->page_bytes);
	put8(w, WIRE_EOF);
	put8(w, WIRE_VMDESCRIPTION);
	put32(w, strlen(description));
	put(w, description, strlen(description));
	return stream_writer_flush(w, f);
}
