/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each stream is fed whole, one byte at a time and in pieces of 4097 bytes; the three must
 * agree to the byte and to the error.
 */
#include "vmguard/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stream/wire.h"
#include "unit.h"

enum { STREAM_MAX = 1 << 20, PAGE = 4096 };

static uint8_t stream[STREAM_MAX]; /* being built */
static size_t used;
static struct fault fault;

struct tally {
	struct stream_sink sink;
	uint64_t layouts, data, zero, sum;
	size_t devices;
};

static int tally_layout(struct stream_sink *s, const struct ram_layout *l, struct fault *f)
{
	(void)f;
	((struct tally *)s)->layouts += l->block_count;
	return 0;
}

static int tally_page(struct stream_sink *s, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct tally *t = (struct tally *)s;

	(void)f;
	t->data += data != NULL;
	t->zero += data == NULL;
	for (size_t i = 0; data && i < PAGE; i++)
		t->sum = t->sum * 31 + data[i] + page;
	return 0;
}

static int tally_devices(struct stream_sink *s, const uint8_t *state, size_t bytes, struct fault *f)
{
	(void)state;
	(void)f;
	((struct tally *)s)->devices = bytes;
	return 0;
}

static int parse_in_pieces(struct tally *t, size_t piece)
{
	static const struct stream_sink_ops ops = {tally_layout, tally_page, tally_devices};
	*t = (struct tally){.sink = {&ops}};
	auto_of(stream_parser_free) struct stream_parser *p = stream_parser_new(&t->sink);

	for (size_t at = 0; at < used; at += piece) {
		size_t n = used - at < piece ? used - at : piece;
		int r = stream_feed(p, stream + at, n, &fault);

		if (r < 0)
			return r;
	}
	ck_assert_uint_eq(stream_offset(p), used);
	return stream_finish(p, &fault);
}

static int parse(struct tally *whole)
{
	struct tally pieces[2];
	struct fault expected;
	int r = parse_in_pieces(whole, STREAM_MAX);

	expected = fault;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(parse_in_pieces(&pieces[i], i ? 4097 : 1), r);
		if (r < 0)
			ck_assert_str_eq(fault.text, expected.text);
		else
			ck_assert_mem_eq(&pieces[i], whole, sizeof(*whole));
	}
	return r;
}

static void put(const void *bytes, size_t n)
{
	ck_assert_uint_le(used + n, STREAM_MAX);
	memcpy(stream + used, bytes, n);
	used += n;
}

static void put8(uint8_t value)
{
	put(&value, 1);
}

static void put32(uint32_t value)
{
	uint8_t b[4];

	wire_put32(b, value);
	put(b, 4);
}

static void put64(uint64_t value)
{
	uint8_t b[8];

	wire_put64(b, value);
	put(b, 8);
}

static void put_name(const char *name)
{
	put8(strlen(name));
	put(name, strlen(name));
}

static void put_header(void)
{
	used = 0;
	put32(WIRE_MAGIC);
	put32(WIRE_VERSION);
	put8(WIRE_CONFIGURATION);
	put32(4);
	put("test", 4);
}

static void put_start(const char *section)
{
	put8(WIRE_SECTION_START);
	put32(2);
	put_name(section);
	put32(0);
	put32(WIRE_RAM_SECTION_VERSION);
}

static void put_close(void)
{
	put64(WIRE_PAGE_EOS);
	put8(WIRE_SECTION_FOOTER);
	put32(2);
}

/* Two blocks of two pages each. */
static void put_blocks(void)
{
	put_start("ram");
	put64(4 * PAGE | WIRE_PAGE_MEM_SIZE);
	put_name("pc.ram");
	put64(2 * PAGE);
	put_name("rom");
	put64(2 * PAGE);
	put_close();
}

static void put_part(void)
{
	put8(WIRE_SECTION_PART);
	put32(2);
}

static void put_zero(uint64_t offset, const char *block)
{
	put64(offset | WIRE_PAGE_ZERO | (block ? 0 : WIRE_PAGE_CONTINUE));
	if (block)
		put_name(block);
	put8(0);
}

static void put_data(uint64_t offset, const char *block, uint8_t fill)
{
	uint8_t page[PAGE];

	memset(page, fill, sizeof(page));
	put64(offset | WIRE_PAGE_DATA | (block ? 0 : WIRE_PAGE_CONTINUE));
	if (block)
		put_name(block);
	put(page, sizeof(page));
}

static void put_pages(void)
{
	put_part();
	put_data(PAGE, "pc.ram", 7);
	put_zero(0, NULL);
	put_close();
	put_part();
	put_zero(0, "rom");
	put_data(PAGE, NULL, 9);
	put_close();
}

static void put_tail(size_t devices, const char *description)
{
	put8(WIRE_SECTION_FULL);
	for (size_t i = 1; i < devices; i++)
		put8(i * 7);
	put8(WIRE_EOF);
	put8(WIRE_VMDESCRIPTION);
	put32(strlen(description));
	put(description, strlen(description));
}

static const char description[] = "{\"page_size\": 4096, \"devices\": []}";

static void put_good(void)
{
	put_header();
	put_blocks();
	put_pages();
	put_tail(100, description);
}

static void load_corpus(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/src/stream/corpus/parser/%s", getenv("SOURCE_ROOT"), name);
	FILE *file = fopen(path, "rb");
	ck_assert_ptr_nonnull(file);
	used = fread(stream, 1, sizeof(stream), file);
	fclose(file);
}

#define REFUSES(error, words)                                                               \
	do {                                                                                \
		struct tally t_;                                                            \
		ck_assert_int_eq(parse(&t_), error);                                        \
		ck_assert_msg(strstr(fault.text, words), "\"%s\" lacks \"%s\"", fault.text, \
			      words);                                                       \
	} while (0)

START_TEST(finds_blocks_pages_and_devices)
{
	struct tally t;

	put_good();
	ck_assert_int_eq(parse(&t), 0);
	ck_assert_uint_eq(t.layouts, 2);
	ck_assert_uint_eq(t.data, 2);
	ck_assert_uint_eq(t.zero, 2);
	ck_assert_uint_eq(t.devices, 100);
}
END_TEST

START_TEST(reads_streams_of_qemu_7_2_and_10_0)
{
	static const char *const names[] = {"qemu-7.2-pc", "qemu-10.0-pc"};

	for (int i = 0; i < 2; i++) {
		struct tally t;

		load_corpus(names[i]);
		ck_assert_int_eq(parse(&t), 0);
		ck_assert_uint_eq((t.data + t.zero) * PAGE, 1581056); /* 1 MiB and the ROMs */
		ck_assert_uint_gt(t.devices, 10000);
	}
}
END_TEST

START_TEST(refuses_a_stream_cut_at_any_byte)
{
	struct tally t;

	put_good();
	for (size_t whole = used; --used;)
		ck_assert_msg(parse_in_pieces(&t, whole) < 0, "cut at %zu of %zu", used, whole);
}
END_TEST

START_TEST(refuses_a_page_before_the_block_list)
{
	put_header();
	put_start("ram");
	put_zero(0, "pc.ram");
	REFUSES(-EBADMSG, "before the list of RAM blocks at stream offset 34");
}
END_TEST

START_TEST(refuses_a_page_outside_its_block)
{
	put_header();
	put_blocks();
	put_part();
	put_zero(2 * PAGE, "pc.ram");
	REFUSES(-EBADMSG, "page 0x2000 outside of RAM block pc.ram");
}
END_TEST

START_TEST(refuses_a_page_that_comes_twice)
{
	put_header();
	put_blocks();
	put_part();
	put_zero(PAGE, "rom");
	put_data(PAGE, NULL, 1);
	REFUSES(-EEXIST, "page rom+0x1000 came twice");
}
END_TEST

START_TEST(refuses_a_page_of_a_block_that_is_not_there)
{
	put_header();
	put_blocks();
	put_part();
	put_zero(0, "vga.vram");
	REFUSES(-EBADMSG, "unknown RAM block vga.vram");
}
END_TEST

START_TEST(refuses_unknown_flags)
{
	static const uint64_t flags[] = {0x01, 0x40, 0x80, 0x100, 0x200, 0x08 | 0x02, 0x20, 0};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		put_header();
		put_blocks();
		put_part();
		put64(flags[i]);
		REFUSES(-EOPNOTSUPP, "unknown page flags");
	}
}
END_TEST

START_TEST(refuses_an_iterable_section_that_is_not_ram)
{
	put_header();
	put_start("dirty-bitmap");
	REFUSES(-EOPNOTSUPP, "iterable section \"dirty-bitmap\"");
	put_header();
	put_blocks();
	put_start("ram");
	REFUSES(-EOPNOTSUPP, "second iterable section");
}
END_TEST

START_TEST(refuses_a_stream_that_lacks_a_page)
{
	put_header();
	put_blocks();
	put_part();
	put_zero(0, "pc.ram");
	put_zero(0, "rom");
	put_zero(PAGE, NULL);
	put_close();
	put_tail(10, description);
	REFUSES(-ENODATA, "1 of 4 pages are missing from the stream, the first is pc.ram+0x1000");
}
END_TEST

START_TEST(refuses_another_page_size_in_the_description)
{
	put_header();
	put_blocks();
	put_pages();
	put_tail(10, "{\"page_size\": 16384}");
	REFUSES(-EBADMSG, "pages of 16384 bytes, the stream says 4096");
}
END_TEST

START_TEST(refuses_a_tail_without_description)
{
	put_header();
	put_blocks();
	put_pages();
	put8(WIRE_SECTION_FULL);
	put("devices", 7);
	put8(WIRE_EOF);
	REFUSES(-ENODATA, "VM description");
}
END_TEST

START_TEST(takes_the_page_size_of_the_stream)
{
	struct tally t;
	uint8_t page[2 * PAGE] = {1};

	put_header();
	put8(WIRE_SUBSECTION);
	put_name("configuration/target-page-bits");
	put32(1);
	put32(13);
	put_start("ram");
	put64(2 * PAGE | WIRE_PAGE_MEM_SIZE);
	put_name("mach.ram");
	put64(2 * PAGE);
	put_close();
	put_part();
	put64(0 | WIRE_PAGE_DATA);
	put_name("mach.ram");
	put(page, sizeof(page));
	put_close();
	put_tail(10, "{\"page_size\": 8192}");
	ck_assert_int_eq(parse(&t), 0);
	ck_assert_uint_eq(t.data, 1);
}
END_TEST

START_TEST(refuses_what_is_not_a_stream)
{
	used = 0;
	put("LibvirtQemudSave", 16);
	REFUSES(-EBADMSG, "not a QEMU migration stream");
	put_header();
	put8(0x55);
	REFUSES(-EBADMSG, "unknown section type 0x55 at stream offset 17");
	put_header();
	put_blocks();
	put_part();
	put64(WIRE_PAGE_EOS);
	put8(0x7f);
	put32(2);
	REFUSES(-EBADMSG, "instead of a section footer");
}
END_TEST

/* The end is found although a device contains what looks like one, and though it is large. */
START_TEST(finds_the_end_of_100_MiB_of_devices)
{
	enum { DEVICES = 100 << 20 };
	static const struct stream_sink_ops ops = {tally_layout, tally_page, tally_devices};
	struct tally t = {.sink = {&ops}};
	auto_of(stream_parser_free) struct stream_parser *p = stream_parser_new(&t.sink);
	auto_free uint8_t *devices = calloc(1, DEVICES);

	memcpy(devices, "\4\0\6\0\0\0\2{}", 9);
	put_header();
	put_blocks();
	put_pages();
	ck_assert_int_eq(stream_feed(p, stream, used, &fault), 0);
	ck_assert_int_eq(stream_feed(p, devices, DEVICES, &fault), 0);
	used = 0;
	put_tail(1, description);
	ck_assert_int_eq(stream_feed(p, stream + 1, used - 1, &fault), 0);
	ck_assert_int_eq(stream_finish(p, &fault), 0);
	ck_assert_uint_eq(t.devices, DEVICES);
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Flips, cuts and repeats in a real stream: none may crash, each refusal says something. */
START_TEST(survives_a_thousand_malformed_streams)
{
	static uint8_t good[STREAM_MAX];
	uint32_t random = 1;
	int refused = 0;

	load_corpus("qemu-7.2-pc");
	size_t length = used;
	memcpy(good, stream, length);
	for (int i = 0; i < 1000; i++) {
		struct tally t;

		memcpy(stream, good, length);
		used = length;
		size_t at = next_random(&random) % (i % 2 ? 4000 : length);
		if (i % 4 == 3)
			used = at;
		else if (i % 4 == 2)
			memmove(stream + at, stream + at / 2, (length - at) / 2);
		else
			stream[at] ^= 1u << (i % 8);
		fault.text[0] = '\0';
		if (parse_in_pieces(&t, 60000) < 0) {
			refused++;
			ck_assert_uint_gt(strlen(fault.text), 10);
		}
	}
	ck_assert_int_gt(refused, 500);
}
END_TEST

UNIT_MAIN("parser", finds_blocks_pages_and_devices, reads_streams_of_qemu_7_2_and_10_0,
	  refuses_a_stream_cut_at_any_byte, refuses_a_page_before_the_block_list,
	  refuses_a_page_outside_its_block, refuses_a_page_that_comes_twice,
	  refuses_a_page_of_a_block_that_is_not_there, refuses_unknown_flags,
	  refuses_an_iterable_section_that_is_not_ram, refuses_a_stream_that_lacks_a_page,
	  refuses_another_page_size_in_the_description, refuses_a_tail_without_description,
	  takes_the_page_size_of_the_stream, refuses_what_is_not_a_stream,
	  finds_the_end_of_100_MiB_of_devices, survives_a_thousand_malformed_streams)
