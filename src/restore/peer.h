/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A destination of postcopy as QEMU is one: a thread for each channel reads what comes, byte by
 * byte as the protocol has it, keeps what page came when, and complains about whatever QEMU would
 * stop at: a page twice, a wrong one, a zero one that nobody asked for, a host page in pieces,
 * anything behind the end.
 *
 * Source: QEMU migration/savevm.c, loadvm_process_command(); migration/ram.c, ram_load_postcopy().
 */
#pragma once

#include <stdarg.h>
#include <sys/socket.h>

#include "restore/guest_fixture.h"
#include "stream/wire.h"

struct arrival {
	uint64_t page;
	bool urgent; /* on the second channel */
};

struct peer_channel {
	int fd; /* -1: there is none */
	bool urgent;
	pthread_t thread;
	const struct ram_block *block; /* for CONTINUE */
	uint64_t last;
	uint64_t missing; /* pages of the host page that is coming */
};

static struct peer {
	struct peer_channel main, urgent;
	int ask_fd;	     /* of the main channel; what the guest asks for goes out here */
	bool resumes;	     /* there was another source before this one */
	bool dies_at_resume; /* says nothing to it and goes */
	unsigned discards, bitmaps;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	uint8_t got[PAGES_MAX];
	uint8_t asked[PAGES_MAX];
	struct arrival arrivals[PAGES_MAX];
	uint64_t count;
	bool runs, resumed, ended, urgent_ended, closed;
	char complaint[200];
} peer = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- reading ----------------------------------------------------------------------------- */

/* A source that still waits for something must see that it waits in vain. */
__attribute__((format(printf, 1, 2))) static inline bool complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	pthread_mutex_lock(&peer.lock);
	if (!peer.complaint[0])
		vsnprintf(peer.complaint, sizeof(peer.complaint), format, arguments);
	pthread_cond_broadcast(&peer.changed);
	pthread_mutex_unlock(&peer.lock);
	va_end(arguments);
	shutdown(peer.main.fd, SHUT_RDWR);
	return false;
}

/* False: the channel has ended. */
static inline bool take(const struct peer_channel *c, void *bytes, size_t length)
{
	return !length || recv(c->fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static inline bool take_exactly(const struct peer_channel *c, const char *bytes, size_t length)
{
	uint8_t there[256];

	if (!take(c, there, length))
		return false;
	return !memcmp(there, bytes, length) || complain("not the bytes that QEMU expects");
}

/* An array of chars without its NUL. */
#define TAKE_EXACTLY(c, bytes) take_exactly(c, bytes, sizeof(bytes) - 1)
#define SECTION_ID "\0\0\0\2"
#define END_OF_PART "\0\0\0\0\0\0\0\x10\x7e" SECTION_ID

static inline bool take_name(const struct peer_channel *c, const struct ram_block **block)
{
	char name[256] = "";
	uint8_t length;

	if (!take(c, &length, 1) || !take(c, name, length))
		return false;
	*block = layout_find(&guest.layout, name);
	return *block || complain("a block \"%s\" that there is not", name);
}

static inline uint64_t unit_of(const struct ram_block *b)
{
	return guest.host_page_bytes[b - guest.layout.blocks] / PAGE;
}

/* A host page comes whole, from its first page to its last, and nothing in between. */
static inline bool in_order(struct peer_channel *c, uint64_t page)
{
	uint64_t unit = unit_of(c->block);

	if (c->missing ? page != c->last + 1 : (page - c->block->first_page) % unit)
		return complain("page %u after %u", (unsigned)page, (unsigned)c->last);
	c->missing = (c->missing ? c->missing : unit) - 1;
	c->last = page;
	return true;
}

static inline const char *wrong_with(uint64_t page, const uint8_t *data, bool small)
{
	const uint8_t *expected = guest_page(page);

	if (peer.got[page])
		return "came twice";
	if (!data != !expected || (data && memcmp(data, expected, PAGE) != 0))
		return "is wrong";
	if (!data && small && !peer.asked[page])
		return "is zero, and nobody asked for it";
	return NULL;
}

static inline bool keep_page(struct peer_channel *c, uint64_t page, const uint8_t *data)
{
	if (!in_order(c, page))
		return false;
	pthread_mutex_lock(&peer.lock);
	const char *wrong = wrong_with(page, data, unit_of(c->block) == 1);
	if (!wrong) {
		peer.got[page] = 1;
		peer.arrivals[peer.count++] = (struct arrival){page, c->urgent};
	}
	pthread_cond_broadcast(&peer.changed);
	pthread_mutex_unlock(&peer.lock);
	return !wrong || complain("page %u %s", (unsigned)page, wrong);
}

/* A page, or *end: the mark behind the last one. False: there is no more. */
static inline bool take_record(struct peer_channel *c, bool *end)
{
	uint8_t head[8], data[PAGE];

	if (!take(c, head, sizeof(head)))
		return false;
	uint64_t flags = wire_get64(head) % PAGE;
	uint64_t number = wire_get64(head) / PAGE;
	bool zero = flags & WIRE_PAGE_ZERO;

	*end = flags == WIRE_PAGE_EOS;
	if (*end)
		return true;
	if ((flags & ~(uint64_t)WIRE_PAGE_CONTINUE) != (zero ? WIRE_PAGE_ZERO : WIRE_PAGE_DATA))
		return complain("flags %u", (unsigned)flags);
	if (!(flags & WIRE_PAGE_CONTINUE) && !take_name(c, &c->block))
		return false;
	if (!c->block || number >= c->block->pages)
		return complain("page %u of no block", (unsigned)number);
	return take(c, data, zero ? 1 : PAGE) &&
	       keep_page(c, c->block->first_page + number, zero ? NULL : data);
}

static inline bool take_records(struct peer_channel *c)
{
	bool end = false;

	while (!end && take_record(c, &end))
		;
	return end;
}

/* ---- the main channel -------------------------------------------------------------------- */

static inline void note(bool *what)
{
	pthread_mutex_lock(&peer.lock);
	*what = true;
	pthread_cond_broadcast(&peer.changed);
	pthread_mutex_unlock(&peer.lock);
}

static inline void say(const void *bytes, size_t length)
{
	(void)!send(peer.ask_fd, bytes, length, MSG_NOSIGNAL);
}

#define SAY(bytes) say(bytes, sizeof(bytes) - 1)

static inline bool take_package(struct peer_channel *c)
{
	uint8_t length[4], devices[DEVICE_BYTES];

	if (!take(c, length, 4))
		return false;
	if (wire_get32(length) != DEVICE_BYTES + 10 || peer.discards != guest.layout.block_count)
		return complain("a package of %u bytes behind %u discards", wire_get32(length),
				peer.discards);
	if (!TAKE_EXACTLY(c, "\x8\0\4\0\0") || !take(c, devices, DEVICE_BYTES) ||
	    !TAKE_EXACTLY(c, "\x8\0\5\0\0"))
		return false;
	if (memcmp(devices, guest.devices, DEVICE_BYTES) != 0)
		return complain("not the guest's devices");
	note(&peer.runs);
	return true;
}

static inline bool take_advice(struct peer_channel *c)
{
	uint8_t sizes[16];
	uint64_t all = 0;

	for (size_t i = 0; i < guest.layout.block_count; i++)
		all |= guest.host_page_bytes[i];
	if (!take(c, sizes, sizeof(sizes)))
		return false;
	return (wire_get64(sizes) == all && wire_get64(sizes + 8) == PAGE) ||
	       complain("other page sizes");
}

static inline bool take_discard(struct peer_channel *c)
{
	const struct ram_block *b;
	uint8_t version, rest[17];

	if (!take(c, &version, 1) || !take_name(c, &b) || !take(c, rest, sizeof(rest)))
		return false;
	peer.discards++;
	return (!wire_get64(rest + 1) && wire_get64(rest + 9) == b->pages * PAGE) ||
	       complain("not all of %s is discarded", b->name);
}

/* What is there of this block. */
static inline bool answer_with_bitmap(struct peer_channel *c)
{
	const struct ram_block *b;
	uint8_t answer[5 + 255 + 8 + PAGES_MAX / 8 + 8 + 8] = {0, WIRE_RP_RECV_BITMAP};

	if (!take_name(c, &b))
		return false;
	size_t name = strlen(b->name);
	size_t bytes = (b->pages + 63) / 64 * 8;
	answer[3] = name + 1;
	answer[4] = name;
	memcpy(answer + 5, b->name, name);
	wire_put64(answer + 5 + name, bytes);
	for (uint64_t i = 0; i < b->pages; i++)
		answer[13 + name + i / 8] |= peer.got[b->first_page + i] << (i % 8);
	wire_put64(answer + 13 + name + bytes, WIRE_BITMAP_END);
	say(answer, 13 + name + bytes + 8);
	peer.bitmaps++;
	return true;
}

static inline bool take_command(struct peer_channel *c)
{
	uint8_t head[4];

	if (!take(c, head, sizeof(head)))
		return false;
	switch (wire_get16(head)) {
	case WIRE_OPEN_RETURN_PATH:
		return true;
	case WIRE_POSTCOPY_ADVISE:
		return take_advice(c);
	case WIRE_POSTCOPY_RAM_DISCARD:
		return take_discard(c);
	case WIRE_PACKAGED:
		return take_package(c);
	case WIRE_RECV_BITMAP:
		return answer_with_bitmap(c);
	case WIRE_POSTCOPY_RESUME:
		if (peer.bitmaps != guest.layout.block_count)
			return complain("resumed after %u bitmaps", peer.bitmaps);
		note(&peer.resumed);
		if (peer.dies_at_resume)
			return false;
		SAY("\0\6\0\4\0\0\0\1");
		return true;
	default:
		return complain("command %u", wire_get16(head));
	}
}

static inline bool take_blocks(struct peer_channel *c)
{
	uint8_t size[8];

	if (!TAKE_EXACTLY(c, SECTION_ID "\3ram\0\0\0\0\0\0\0\4") || !take(c, size, 8))
		return false;
	for (size_t i = 0; i < guest.layout.block_count; i++) {
		const struct ram_block *b;

		if (!take_name(c, &b) || !take(c, size, 8))
			return false;
		if (b != guest.layout.blocks + i || wire_get64(size) != b->bytes)
			return complain("block %s", b->name);
		if (unit_of(b) > 1 && !take(c, size, 8))
			return false;
		if (unit_of(b) > 1 && wire_get64(size) != guest.host_page_bytes[i])
			return complain("host pages of %s", b->name);
	}
	return TAKE_EXACTLY(c, END_OF_PART);
}

static inline bool take_pages(struct peer_channel *c)
{
	if (!peer.runs && !peer.resumed)
		return complain("a page before the guest runs");
	return TAKE_EXACTLY(c, SECTION_ID) && take_records(c) && TAKE_EXACTLY(c, "\x7e" SECTION_ID);
}

static inline bool take_end(struct peer_channel *c)
{
	if (!TAKE_EXACTLY(c, SECTION_ID END_OF_PART "\0"))
		return false;
	if (c->missing)
		return complain("the end within a host page");
	note(&peer.ended);
	return !take(c, &(uint8_t){0}, 1) ? false : complain("something behind the end");
}

static inline bool take_section(struct peer_channel *c)
{
	uint8_t type;

	if (!take(c, &type, 1))
		return false;
	switch (type) {
	case WIRE_COMMAND:
		return take_command(c);
	case WIRE_SECTION_START:
		return take_blocks(c);
	case WIRE_SECTION_PART:
		return take_pages(c);
	case WIRE_SECTION_END:
		return take_end(c);
	default:
		return complain("section type %u", type);
	}
}

static inline void *main_channel(void *channel)
{
	struct peer_channel *c = channel;

	if (peer.resumes || TAKE_EXACTLY(c, "QEVM\0\0\0\3\7\0\0\0\2pc"))
		while (take_section(c))
			;
	shutdown(c->fd, SHUT_RDWR);
	note(&peer.closed);
	return NULL;
}

static inline void *urgent_channel(void *channel)
{
	struct peer_channel *c = channel;
	if (take_records(c)) {
		note(&peer.urgent_ended);
		if (take(c, &(uint8_t){0}, 1))
			complain("something behind the end of the second channel");
	}
	return NULL;
}

/* ---- what a test does with it ------------------------------------------------------------ */

/* Forgets all pages unless it is to go on. */
static inline void peer_begin(int fd, int urgent_fd, bool resumes)
{
	peer.main = (struct peer_channel){.fd = fd};
	if (peer.ask_fd > 0)
		close(peer.ask_fd);
	peer.ask_fd = dup(fd); /* threads that ask may still do so when the channel is closed */
	peer.urgent = (struct peer_channel){.fd = urgent_fd, .urgent = true};
	if (!resumes) {
		memset(peer.got, 0, sizeof(peer.got));
		memset(peer.asked, 0, sizeof(peer.asked));
	}
	peer.count = peer.discards = peer.bitmaps = 0;
	peer.resumes = resumes;
	peer.runs = peer.resumed = peer.ended = peer.urgent_ended = peer.closed = false;
	peer.complaint[0] = '\0';
	pthread_create(&peer.main.thread, NULL, main_channel, &peer.main);
	if (urgent_fd >= 0)
		pthread_create(&peer.urgent.thread, NULL, urgent_channel, &peer.urgent);
}

/* QEMU has a host page when all of it came. */
static inline void end_channel(struct peer_channel *c)
{
	shutdown(c->fd, SHUT_RDWR);
	pthread_join(c->thread, NULL);
	close(c->fd);
	if (c->missing) {
		uint64_t there = unit_of(c->block) - c->missing;

		memset(peer.got + c->last + 1 - there, 0, there);
	}
}

static inline void peer_end(void)
{
	end_channel(&peer.main);
	if (peer.urgent.fd >= 0)
		end_channel(&peer.urgent);
	ck_assert_msg(!peer.complaint[0], "%s", peer.complaint);
}

/* Any thread. The guest's page faults. */
static inline void ask(uint64_t page, uint32_t pages)
{
	const struct ram_block *b = layout_block_of(&guest.layout, page);
	size_t name = strlen(b->name);
	uint8_t request[4 + 12 + 1 + 255] = {0, WIRE_RP_REQ_PAGES_ID, 0, 13 + name};

	wire_put64(request + 4, (page - b->first_page) * PAGE);
	wire_put32(request + 12, pages * PAGE);
	request[16] = name;
	memcpy(request + 17, b->name, name);
	pthread_mutex_lock(&peer.lock);
	memset(peer.asked + page, 1, pages);
	pthread_mutex_unlock(&peer.lock);
	say(request, 17 + name);
}

/* Until it holds; with what was complained about instead. */
#define WAIT_UNTIL(holds)                                                                   \
	do {                                                                                \
		struct timespec until_;                                                     \
		int r_ = 0;                                                                 \
		clock_gettime(CLOCK_REALTIME, &until_);                                     \
		until_.tv_sec += WAIT_LIMIT_MS / 1000;                                      \
		pthread_mutex_lock(&peer.lock);                                             \
		while (!(holds) && !peer.complaint[0] && !r_)                               \
			r_ = pthread_cond_timedwait(&peer.changed, &peer.lock, &until_);    \
		bool holds_ = (holds);                                                      \
		pthread_mutex_unlock(&peer.lock);                                           \
		ck_assert_msg(holds_, "%s does not come true: %s", #holds, peer.complaint); \
	} while (0)

/* What is so now. */
#define NOW(what)                                 \
	({                                        \
		pthread_mutex_lock(&peer.lock);   \
		__typeof__(what) now_ = (what);   \
		pthread_mutex_unlock(&peer.lock); \
		now_;                             \
	})
