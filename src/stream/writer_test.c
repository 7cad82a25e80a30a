/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser reads what the writer wrote; that QEMU does too is shown in integration/. */
#include "vmguard/stream.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

enum { PAGE = 4096, BLOCK_PAGES = 700 };

/* Feeds what the writer writes to a parser, and the parser's pages into a checksum. */
struct loop {
	struct stream_output output;
	struct stream_sink sink;
	struct stream_parser *parser;
	uint64_t data, zero;
	size_t blocks, devices;
};

static struct fault fault;

static int loop_write(struct stream_output *o, const void *bytes, size_t length, struct fault *f)
{
	return stream_feed(((struct loop *)o)->parser, bytes, length, f);
}

static struct loop *of_sink(struct stream_sink *s)
{
	return (struct loop *)((char *)s - offsetof(struct loop, sink));
}

static int loop_layout(struct stream_sink *s, const struct ram_layout *l, struct fault *f)
{
	(void)f;
	of_sink(s)->blocks = l->block_count;
	ck_assert_str_eq(l->machine, "pc");
	ck_assert_uint_eq(l->ram_section_id, 1);
	return 0;
}

static int loop_page(struct stream_sink *s, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct loop *loop = of_sink(s);

	(void)f;
	if (!data) {
		loop->zero++;
		return 0;
	}
	loop->data++;
	ck_assert_int_eq(data[17], (uint8_t)page);
	return 0;
}

static int loop_devices(struct stream_sink *s, const uint8_t *state, size_t bytes, struct fault *f)
{
	(void)f;
	of_sink(s)->devices = bytes;
	ck_assert_int_eq(state[0], 4);
	return 0;
}

static void make_layout(struct ram_layout *l)
{
	*l = (struct ram_layout){.page_bytes = PAGE, .ram_section_id = 1};
	memcpy(l->configuration, "\7\0\0\0\2pc", 7);
	l->configuration_bytes = 7;
	ck_assert_int_eq(layout_add_block(l, "pc.ram", BLOCK_PAGES * PAGE, &fault), 0);
	ck_assert_int_eq(layout_add_block(l, "rom", BLOCK_PAGES * PAGE, &fault), 0);
}

START_TEST(is_read_back_by_the_parser)
{
	static const struct stream_output_ops output = {loop_write};
	static const struct stream_sink_ops sink = {loop_layout, loop_page, loop_devices};
	static const uint8_t devices[] = "\4 devices";
	struct loop loop = {.output = {&output}, .sink = {&sink}};
	struct ram_layout l;
	uint8_t page[PAGE];

	make_layout(&l);
	loop.parser = stream_parser_new(&loop.sink);
	auto_of(stream_writer_free) struct stream_writer *w = stream_writer_new(&l, &loop.output);
	ck_assert_int_eq(stream_write_head(w, &fault), 0);
	for (uint64_t i = l.pages; i-- > 1;) {
		memset(page, i, sizeof(page));
		ck_assert_int_eq(stream_write_page(w, i, i % 3 ? page : NULL, &fault), 0);
	}
	ck_assert_int_eq(stream_write_end(w, devices, sizeof(devices), &fault), -ENODATA);
	ck_assert_int_eq(stream_write_page(w, 0, NULL, &fault), 0);
	ck_assert_int_eq(stream_write_end(w, devices, sizeof(devices), &fault), 0);
	ck_assert_int_eq(stream_finish(loop.parser, &fault), 0);
	ck_assert_uint_eq(loop.devices, sizeof(devices));
	ck_assert_uint_eq(loop.blocks, 2);
	ck_assert_uint_eq(loop.data + loop.zero, l.pages);
	stream_parser_free(loop.parser);
	layout_clear(&l);
}
END_TEST

UNIT_MAIN("writer", is_read_back_by_the_parser)
