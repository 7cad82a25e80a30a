/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages as QEMU sends them, whole, byte by byte, and wrong in all ways that there are. */
#include "vmguard/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct fault fault;

/* What the sink was told, as text. */
static struct {
	struct return_path_sink base;
	char text[512];
	int answer;
} told;

__attribute__((format(printf, 1, 2))) static int tell(const char *format, ...)
{
	size_t used = strlen(told.text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(told.text + used, sizeof(told.text) - used, format, arguments);
	va_end(arguments);
	return told.answer ? fault_set(&fault, told.answer, "told so") : 0;
}

static int request(struct return_path_sink *s, uint64_t page, uint64_t pages, struct fault *f)
{
	(void)s;
	(void)f;
	return tell("request %" PRIu64 "+%" PRIu64 ";", page, pages);
}

static int received(struct return_path_sink *s, const struct ram_block *b, const uint8_t *bitmap,
		    struct fault *f)
{
	(void)s;
	(void)f;
	return tell("received %" PRIu64 ",%d;", b->first_page, bitmap[0]);
}

static int resumed(struct return_path_sink *s, struct fault *f)
{
	(void)s;
	(void)f;
	return tell("resumed;");
}

static int shut(struct return_path_sink *s, uint32_t status, struct fault *f)
{
	(void)s;
	(void)f;
	return tell("shut %" PRIu32 ";", status);
}

static const struct return_path_sink_ops ops = {request, received, resumed, shut};

#define REQUEST_BIOS "\0\3\0\x14\0\0\0\0\0\0\x10\0\0\0\x10\0\7pc.bios"
#define REQUEST_SAME "\0\4\0\x0c\0\0\0\0\0\0\0\0\0\0\x20\0"
#define PONG "\0\2\0\4\0\0\0\1"
#define BITMAP                                                             \
	"\0\5\0\7\6pc.ram\0\0\0\0\0\0\0\x10\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0" \
	"\0\0\x01\x23\x45\x67\x89\xab\xcd\xef"
#define RESUME_ACK "\0\6\0\4\0\0\0\1"
#define SHUT "\0\1\0\4\0\0\0\0"

static const char all[] = REQUEST_BIOS PONG REQUEST_SAME BITMAP RESUME_ACK SHUT;
static const char all_told[] = "request 101+1;request 100+2;received 0,42;resumed;shut 0;";

static int feed(const char *bytes, size_t length, size_t step)
{
	struct ram_layout l = {.page_bytes = 4096};
	int r = 0;

	ck_assert_int_eq(layout_add_block(&l, "pc.ram", 100 * 4096, &fault), 0);
	ck_assert_int_eq(layout_add_block(&l, "pc.bios", 3 * 4096, &fault), 0);
	told.base.ops = &ops;
	told.text[0] = '\0';
	struct return_path *p = return_path_new(&l, &told.base);
	for (size_t at = 0; !r && at < length; at += step)
		r = return_path_feed(p, bytes + at, length - at < step ? length - at : step,
				     &fault);
	return_path_free(p);
	layout_clear(&l);
	return r;
}

START_TEST(takes_every_message_however_it_is_cut)
{
	for (size_t step = 1; step < sizeof(all); step++) {
		ck_assert_msg(feed(all, sizeof(all) - 1, step) == 0, "%s", fault.text);
		ck_assert_str_eq(told.text, all_told);
	}
}
END_TEST

START_TEST(waits_for_the_rest_of_a_message)
{
	for (size_t length = 0; length < sizeof(all); length++) {
		ck_assert_int_eq(feed(all, length, sizeof(all)), 0);
		ck_assert(!strncmp(told.text, all_told, strlen(told.text)));
	}
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *words;
		int code;
	} wrong[] = {
#define WRONG(text, words, code) {text, sizeof(text) - 1, words, code}
		WRONG("\0\7\0\0", "type 7", -EOPNOTSUPP),
		WRONG("\0\2\2\1", "a message of 513 bytes", -EBADMSG),
		WRONG("\0\1\0\3\0\0\0", "SHUT of 3 bytes", -EBADMSG),
		WRONG(REQUEST_SAME, "the block before, but there is none", -EBADMSG),
		WRONG("\0\4\0\x0b\0\0\0\0\0\0\0\0\0\0\x20", "a request of 11 bytes", -EBADMSG),
		WRONG("\0\3\0\x0e\0\0\0\0\0\0\0\0\0\0\x10\0\1x", "a block \"x\"", -EBADMSG),
		WRONG("\0\3\0\x0e\0\0\0\0\0\0\0\0\0\0\x10\0\2x", "a block's name", -EBADMSG),
		WRONG("\0\3\0\x14\0\0\0\0\0\0\x30\0\0\0\x10\0\7pc.bios", "at 0x3000", -EBADMSG),
		WRONG("\0\3\0\x14\0\0\0\0\0\0\x20\0\0\0\x20\0\7pc.bios", "8192 bytes", -EBADMSG),
		WRONG("\0\3\0\x14\0\0\0\0\0\0\x20\1\0\0\x10\0\7pc.bios", "at 0x2001", -EBADMSG),
		WRONG("\0\3\0\x14\0\0\0\0\0\0\x20\0\0\0\0\0\7pc.bios", "0 bytes", -EBADMSG),
		WRONG("\0\5\0\7\6pc.ram\0\0\0\0\0\0\0\x11", "a bitmap of 17 bytes", -EBADMSG),
		WRONG("\0\5\0\x08\7pc.bios\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
		      "does not end", -EBADMSG),
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int r = feed(wrong[i].bytes, wrong[i].length, 1);

		ck_assert_msg(r == wrong[i].code, "%zu: %d", i, r);
		ck_assert_msg(strstr(fault.text, wrong[i].words), "%s", fault.text);
		ck_assert_ptr_nonnull(strstr(fault.text, "return path at "));
	}
}
END_TEST

START_TEST(hands_on_the_error_of_the_sink)
{
	told.answer = -ECANCELED;
	ck_assert_int_eq(feed(all, sizeof(all) - 1, 7), -ECANCELED);
	ck_assert_str_eq(told.text, "request 101+1;");
	told.answer = 0;
}
END_TEST

UNIT_MAIN("return_path", takes_every_message_however_it_is_cut, waits_for_the_rest_of_a_message,
	  refuses_what_cannot_be, hands_on_the_error_of_the_sink)
