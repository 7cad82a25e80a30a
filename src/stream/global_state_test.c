/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A section as QEMU 7.2 wrote it, amid other bytes. */
#include <string.h>

#include "unit.h"
#include "vmguard/stream.h"

enum { SECTION = 5 + 12 + 8 + 4 + 100 + 5, FRONT = 7, BYTES = FRONT + SECTION + 9 };

static uint8_t bytes[BYTES];

static void make(const char *word)
{
	static const uint8_t start[] = "\x04\0\0\0\x2a\x0bglobalstate\0\0\0\0\0\0\0\1\0\0\0";
	uint8_t *at = bytes + FRONT;

	memset(bytes, 0xee, sizeof(bytes));
	memset(at, 0, SECTION);
	memcpy(at, start, sizeof(start) - 1);
	at[28] = strlen(word) + 1;
	strcpy((char *)at + 29, word);
	memcpy(at + SECTION - 5, "\x7e\0\0\0\x2a", 5);
}

START_TEST(a_guest_that_we_stopped_ran)
{
	uint8_t wanted[BYTES];

	make("running");
	memcpy(wanted, bytes, sizeof(wanted));
	make("paused");
	ck_assert(stream_mark_running(bytes, sizeof(bytes)));
	ck_assert_mem_eq(bytes, wanted, sizeof(wanted));
}
END_TEST

START_TEST(leaves_every_other_state)
{
	static const char *const words[] = {"running", "suspended", "paused!", "", "pause"};
	uint8_t before[BYTES];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		make(words[i]);
		memcpy(before, bytes, sizeof(before));
		ck_assert(!stream_mark_running(bytes, sizeof(bytes)));
		ck_assert_mem_eq(bytes, before, sizeof(before));
	}
}
END_TEST

START_TEST(leaves_what_only_looks_like_it)
{
	static const int flipped[] = {FRONT, FRONT + 1, FRONT + 6, FRONT + 24, FRONT + SECTION - 5};

	for (size_t i = 0; i < sizeof(flipped) / sizeof(flipped[0]); i++) {
		make("paused");
		bytes[flipped[i]] ^= 0x10;
		ck_assert(!stream_mark_running(bytes, sizeof(bytes)));
	}
}
END_TEST

START_TEST(reads_nothing_behind_the_end)
{
	make("paused");
	for (size_t length = 0; length < FRONT + SECTION; length++) {
		uint8_t *cut = malloc(length + 1);

		memcpy(cut, bytes, length);
		ck_assert(!stream_mark_running(cut, length));
		free(cut);
	}
	ck_assert(stream_mark_running(bytes, FRONT + SECTION));
}
END_TEST

UNIT_MAIN("global_state", a_guest_that_we_stopped_ran, leaves_every_other_state,
	  leaves_what_only_looks_like_it, reads_nothing_behind_the_end)
