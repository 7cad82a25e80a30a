/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes that a source of postcopy writes; that QEMU takes them is shown in integration/. */
#include "vmguard/stream.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

enum { PAGE = 4096 };

static struct fault fault;

static struct written {
	struct stream_output base;
	size_t length, calls;
	uint8_t bytes[3 * PAGE];
} written;

static int keep(struct stream_output *o, const void *bytes, size_t length, struct fault *f)
{
	struct written *w = (struct written *)o;

	(void)f;
	ck_assert_uint_le(w->length + length, sizeof(w->bytes));
	memcpy(w->bytes + w->length, bytes, length);
	w->length += length;
	w->calls++;
	return 0;
}

static struct ram_layout layout;
static struct stream_writer *writer;

static void begin(void)
{
	static const struct stream_output_ops ops = {keep};

	written = (struct written){.base = {&ops}};
	layout = (struct ram_layout){.page_bytes = PAGE, .ram_section_id = 2};
	memcpy(layout.configuration, "\7\0\0\0\2pc", 7);
	layout.configuration_bytes = 7;
	ck_assert_int_eq(layout_add_block(&layout, "a", 512 * PAGE, &fault), 0);
	ck_assert_int_eq(layout_add_block(&layout, "bb", PAGE, &fault), 0);
	writer = stream_writer_new(&layout, &written.base);
}

static void end(void)
{
	stream_writer_free(writer);
	layout_clear(&layout);
}

#define MUST_WRITE(text)                                                 \
	do {                                                             \
		ck_assert_uint_eq(written.length, sizeof(text) - 1);     \
		ck_assert_mem_eq(written.bytes, text, sizeof(text) - 1); \
		written.length = 0;                                      \
	} while (0)

#define EOS "\0\0\0\0\0\0\0\x10\x7e\0\0\0\2"

START_TEST(advises_and_discards_before_anything_else)
{
	static const uint64_t host_page_bytes[] = {2 << 20, PAGE};

	begin();
	ck_assert_int_eq(stream_write_postcopy_head(writer, host_page_bytes, &fault), 0);
	MUST_WRITE("QEVM\0\0\0\3\7\0\0\0\2pc"
		   "\x8\0\1\0\0"
		   "\x8\0\3\0\x10\0\0\0\0\0\x20\x10\0\0\0\0\0\0\0\x10\0"
		   "\1\0\0\0\2\3ram\0\0\0\0\0\0\0\4\0\0\0\0\0\x20\x10\4"
		   "\1a\0\0\0\0\0\x20\0\0\0\0\0\0\0\x20\0\0\2bb\0\0\0\0\0\0\x10\0" EOS
		   "\x8\0\6\0\x14\0\1a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20\0\0"
		   "\x8\0\6\0\x15\0\2bb\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0");
	end();
}
END_TEST

START_TEST(packs_the_devices_between_listen_and_run)
{
	begin();
	ck_assert_int_eq(stream_write_run(writer, (const uint8_t *)"\4dev", 4, &fault), 0);
	MUST_WRITE("\x8\0\7\0\4\0\0\0\x0e"
		   "\x8\0\4\0\0\4dev\x8\0\5\0\0");
	end();
}
END_TEST

START_TEST(sends_pages_when_it_is_told_to)
{
	uint8_t page[PAGE];

	begin();
	memset(page, 7, sizeof(page));
	ck_assert_int_eq(stream_write_page(writer, 512, NULL, &fault), 0);
	ck_assert_int_eq(stream_write_page(writer, 0, page, &fault), 0);
	ck_assert_uint_eq(written.length, 0);
	ck_assert_int_eq(stream_write_pages_now(writer, &fault), 0);
	ck_assert_uint_eq(written.calls, 1);
	ck_assert_uint_eq(written.length, 5 + 8 + 3 + 1 + 8 + 2 + PAGE + 13);
	ck_assert_mem_eq(written.bytes, "\2\0\0\0\2\0\0\0\0\0\0\0\2\2bb\0\0\0\0\0\0\0\0\x8\1a\7",
			 28);
	ck_assert_mem_eq(written.bytes + written.length - 13, EOS, 13);
	written.length = 0;
	ck_assert_int_eq(stream_write_pages_now(writer, &fault), 0);
	MUST_WRITE("");
	ck_assert_int_eq(stream_write_postcopy_end(writer, &fault), 0);
	MUST_WRITE("\3\0\0\0\2" EOS "\0");
	end();
}
END_TEST

START_TEST(sends_records_alone_on_a_second_channel)
{
	begin();
	stream_writer_be_bare(writer);
	ck_assert_int_eq(stream_write_page(writer, 512, NULL, &fault), 0);
	ck_assert_int_eq(stream_write_pages_now(writer, &fault), 0);
	MUST_WRITE("\0\0\0\0\0\0\0\2\2bb\0");
	ck_assert_int_eq(stream_write_postcopy_end(writer, &fault), 0);
	MUST_WRITE("\0\0\0\0\0\0\0\x10");
	end();
}
END_TEST

START_TEST(asks_what_was_received_and_resumes)
{
	begin();
	ck_assert_int_eq(stream_write_ask_received(writer, &fault), 0);
	MUST_WRITE("\x8\0\x0a\0\2\1a\x8\0\x0a\0\3\2bb");
	ck_assert_int_eq(stream_write_resume(writer, &fault), 0);
	MUST_WRITE("\x8\0\x09\0\0");
	end();
}
END_TEST

UNIT_MAIN("postcopy", advises_and_discards_before_anything_else,
	  packs_the_devices_between_listen_and_run, sends_pages_when_it_is_told_to,
	  sends_records_alone_on_a_second_channel, asks_what_was_received_and_resumes)
