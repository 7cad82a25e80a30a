/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a source of postcopy writes, so that the guest runs before its pages are there:
 *
 *	magic, version, CONFIGURATION as recorded
 *	OPEN_RETURN_PATH, ADVISE
 *	START ram, the list of blocks
 *	RAM_DISCARD for every block         at least one, or the destination hangs
 *	PACKAGED: LISTEN, the device state, RUN
 *	PART …                              the guest runs; pages in any order, each once
 *	END, EOF                            only when every page that is not zero was sent
 *
 * A source that takes over from one that died sends no head: it asks for the bitmaps of what was
 * received, and RESUME.
 *
 * Source: QEMU migration/savevm.c, docs/devel/migration.rst ("Postcopy").
 */
#include <errno.h>
#include <inttypes.h>

#include "stream/writer.h"

enum { COMMAND_BYTES = 5 };

static void put16(struct stream_writer *w, uint16_t value)
{
	put8(w, value >> 8);
	put8(w, value);
}

static void put_command(struct stream_writer *w, uint16_t command, uint16_t bytes)
{
	put8(w, WIRE_COMMAND);
	put16(w, command);
	put16(w, bytes);
}

static uint64_t page_sizes(const struct ram_layout *l, const uint64_t *host_page_bytes)
{
	uint64_t sizes = 0;

	for (size_t i = 0; i < l->block_count; i++)
		sizes |= host_page_bytes[i];
	return sizes;
}

static int put_discards(struct stream_writer *w, struct fault *f)
{
	const struct ram_layout *l = w->layout;

	for (size_t i = 0; i < l->block_count; i++) {
		size_t bytes = 1 + 1 + strlen(l->blocks[i].name) + 1 + 16;
		int r = stream_writer_room(w, COMMAND_BYTES + bytes, f);

		if (r < 0)
			return r;
		put_command(w, WIRE_POSTCOPY_RAM_DISCARD, bytes);
		put8(w, WIRE_DISCARD_VERSION);
		put_name(w, l->blocks[i].name);
		put8(w, 0);
		put64(w, 0);
		put64(w, l->blocks[i].pages * l->page_bytes);
	}
	return 0;
}

int stream_write_postcopy_head(struct stream_writer *w, const uint64_t *host_page_bytes,
			       struct fault *f)
{
	stream_writer_put_start(w);
	put_command(w, WIRE_OPEN_RETURN_PATH, 0);
	put_command(w, WIRE_POSTCOPY_ADVISE, 16);
	put64(w, page_sizes(w->layout, host_page_bytes));
	put64(w, w->layout->page_bytes);
	int r = stream_writer_put_blocks(w, host_page_bytes, f);
	if (!r)
		r = put_discards(w, f);
	return r < 0 ? r : stream_writer_flush(w, f);
}

int stream_write_run(struct stream_writer *w, const uint8_t *devices, size_t bytes, struct fault *f)
{
	uint64_t package = COMMAND_BYTES + bytes + COMMAND_BYTES;

	if (package > UINT32_MAX)
		return fault_set(f, -EFBIG, "device state of %zu bytes", bytes);
	put_command(w, WIRE_PACKAGED, 4);
	put32(w, package);
	put_command(w, WIRE_POSTCOPY_LISTEN, 0);
	int r = stream_writer_flush(w, f);
	if (!r)
		r = w->output->ops->write(w->output, devices, bytes, f);
	if (r < 0)
		return r;
	put_command(w, WIRE_POSTCOPY_RUN, 0);
	return stream_writer_flush(w, f);
}

int stream_write_pages_now(struct stream_writer *w, struct fault *f)
{
	if (w->in_part)
		close_section(w);
	w->in_part = false;
	return stream_writer_flush(w, f);
}

void stream_writer_be_bare(struct stream_writer *w)
{
	w->bare = true;
}

int stream_write_postcopy_end(struct stream_writer *w, struct fault *f)
{
	int r = stream_write_pages_now(w, f);

	if (r < 0)
		return r;
	if (w->bare) {
		put64(w, WIRE_PAGE_EOS);
	} else {
		open_section(w, WIRE_SECTION_END);
		close_section(w);
		put8(w, WIRE_EOF);
	}
	return stream_writer_flush(w, f);
}

int stream_write_ask_received(struct stream_writer *w, struct fault *f)
{
	const struct ram_layout *l = w->layout;

	for (size_t i = 0; i < l->block_count; i++) {
		int r = stream_writer_room(w, COMMAND_BYTES + RECORD_BYTES_MAX, f);

		if (r < 0)
			return r;
		put_command(w, WIRE_RECV_BITMAP, 1 + strlen(l->blocks[i].name));
		put_name(w, l->blocks[i].name);
	}
	return stream_writer_flush(w, f);
}

int stream_write_resume(struct stream_writer *w, struct fault *f)
{
	put_command(w, WIRE_POSTCOPY_RESUME, 0);
	return stream_writer_flush(w, f);
}
