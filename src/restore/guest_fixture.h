/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest with a checkpoint on a real directory store, read through a store that holds or fails
 * reads as a test says, from any thread.
 */
#pragma once

#include <pthread.h>

#include "image/image_fixture.h"
#include "vmguard/clock.h"

enum {
	PAGE = 4096,
	LARGE_PAGE = 2 << 20, /* of the host */
	LARGE_PAGES = LARGE_PAGE / PAGE,
	GUEST_BLOCKS_MAX = 6,
	DEVICE_BYTES = 3000,
	WAIT_LIMIT_MS = 60000, /* only what hangs takes that long */
};

static struct {
	struct ram_layout layout;
	uint64_t host_page_bytes[GUEST_BLOCKS_MAX];
	uint8_t fills[PAGES_MAX];
	uint64_t stored; /* pages that are not zero */
	uint8_t *devices;
	struct checkpoint *checkpoint;
} guest;

static const struct guest_size page_size = {.page_bytes = PAGE, .device_bytes = DEVICE_BYTES};

/* Not two threads at a time. */
static inline const uint8_t *guest_page(uint64_t page)
{
	return page_of(&page_size, page, guest.fills[page]);
}

/* ---- the store ------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	unsigned reads;
	unsigned to_hold; /* so many reads wait until they are let go */
	unsigned held;
	unsigned to_fail;
	unsigned failed;
	uint32_t damaged_page; /* a bit of it is read wrong; 0: none */
} reads = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct moody_image {
	struct store_image base;
	struct store_image *real;
};

static inline struct store_image *moody_real(struct store_image *image)
{
	return ((struct moody_image *)image)->real;
}

static inline int moody_checkpoints(struct store_image *image, struct checkpoint_id **ids,
				    size_t *count, struct fault *f)
{
	return store_checkpoints(moody_real(image), ids, count, f);
}

/* A page begins with its number. */
static inline void flip_bit_of(uint32_t page, uint8_t *buffer, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE)
		if (!memcmp(buffer + at, &page, sizeof(page)))
			buffer[at + 99] ^= 4;
}

static inline int moody_read(struct store_image *image, uint64_t segment, size_t offset,
			     void *buffer, size_t bytes, struct fault *f)
{
	pthread_mutex_lock(&reads.lock);
	reads.reads++;
	bool fails = reads.to_fail > 0;
	if (fails) {
		reads.to_fail--;
		reads.failed++;
	} else if (reads.to_hold) {
		reads.to_hold--;
		reads.held++;
		pthread_cond_broadcast(&reads.changed);
		while (reads.held)
			pthread_cond_wait(&reads.changed, &reads.lock);
	}
	uint32_t damaged = reads.damaged_page;
	pthread_cond_broadcast(&reads.changed);
	pthread_mutex_unlock(&reads.lock);
	if (fails)
		return fault_set(f, -EIO, "the store is away");
	int r = store_read(moody_real(image), segment, offset, buffer, bytes, f);
	if (!r && damaged)
		flip_bit_of(damaged, buffer, bytes);
	return r;
}

static inline void moody_object_name(struct store_image *image, uint64_t segment,
				     char name[STORE_OBJECT_BYTES])
{
	store_object_name(moody_real(image), segment, name);
}

static inline void moody_close(struct store_image *image)
{
	store_image_close(moody_real(image));
	free(image);
}

static inline int moody_open(struct store *s, const char *name, enum store_mode mode,
			     const struct checkpoint_id *at, struct store_image **image,
			     struct fault *f)
{
	static const struct store_ops ops = {
		.name = "moody",
		.image_close = moody_close,
		.checkpoints = moody_checkpoints,
		.read = moody_read,
		.object_name = moody_object_name,
	};
	struct store_image *real;
	int r = store_image_open(store, name, mode, at, &real, f);

	(void)s;
	*image = NULL;
	if (r < 0)
		return r;
	struct moody_image *made = calloc(1, sizeof(*made));
	made->base.ops = &ops;
	strcpy(made->base.guest, name);
	made->real = real;
	*image = &made->base;
	return 0;
}

static const struct store_ops moody_ops = {.name = "moody", .image_open = moody_open};
static struct store moody_store = {.ops = &moody_ops, .uri = "moody:"};

/* The next `hold` reads wait, and the next `fail` ones fail. */
static inline void reads_will(unsigned hold, unsigned fail)
{
	pthread_mutex_lock(&reads.lock);
	reads.to_hold = hold;
	reads.to_fail = fail;
	reads.failed = 0;
	pthread_mutex_unlock(&reads.lock);
}

static inline void reads_let_go(void)
{
	pthread_mutex_lock(&reads.lock);
	reads.to_hold = 0;
	reads.held = 0;
	pthread_cond_broadcast(&reads.changed);
	pthread_mutex_unlock(&reads.lock);
}

/* Until a counter of `reads` has come so far. */
static inline void wait_for_reads(const unsigned *counter, unsigned count)
{
	int64_t until = monotonic_ms() + WAIT_LIMIT_MS;
	bool there = false;

	while (!there && monotonic_ms() < until) {
		pthread_mutex_lock(&reads.lock);
		there = *counter >= count;
		pthread_mutex_unlock(&reads.lock);
		if (!there)
			sleep_us(1000);
	}
	ck_assert(there);
}

static inline unsigned reads_so_far(void)
{
	pthread_mutex_lock(&reads.lock);
	unsigned count = reads.reads;
	pthread_mutex_unlock(&reads.lock);
	return count;
}

/* ---- the guest ------------------------------------------------------------------------- */

/* Blocks of so many pages; the last one ends within a page. */
static inline void guest_begin(const uint32_t *pages, size_t blocks)
{
	static const char *const names[GUEST_BLOCKS_MAX] = {"pc.ram",	"vga.vram", "pc.bios",
							    "/rom@etc", "mem.1",    "mem.2"};
	struct ram_layout *l = &guest.layout;

	fixture_begin();
	*l = (struct ram_layout){.page_bytes = PAGE, .ram_section_id = 2};
	memcpy(l->configuration, "\7\0\0\0\2pc", 7);
	l->configuration_bytes = 7;
	strcpy(l->machine, "pc");
	for (size_t i = 0; i < blocks; i++) {
		guest.host_page_bytes[i] = PAGE;
		ASSERT_OK(layout_add_block(l, names[i],
					   pages[i] * (uint64_t)PAGE - (i + 1 == blocks ? 50 : 0),
					   &fault));
	}
	ck_assert_uint_le(l->pages, PAGES_MAX);
	fills_of(1, guest.fills);
	guest.devices = make_devices(&page_size, 1);
}

static inline int hand_over(struct image *image, struct straight_buffers *b)
{
	int r = image_begin(image, &guest.layout, &b->base, &fault);

	for (uint64_t page = 0; !r && page < guest.layout.pages; page++)
		r = image_add_page(image, page, guest_page(page), &fault);
	return r < 0 ? r : image_end(image, guest.devices, DEVICE_BYTES, &fault);
}

/* With the fills as they are now. */
static inline void guest_checkpoint(void)
{
	auto_of(image_close) struct image *image = NULL;
	struct straight_buffers b;
	uint64_t number;

	ASSERT_OK(image_open(store, "g", &image, &fault));
	straight_init(&b, image);
	ASSERT_OK(hand_over(image, &b));
	ASSERT_OK(b.result);
	straight_clear(&b);
	ASSERT_OK(commit_checkpoint(image, 1, &number));
	guest.stored = 0;
	for (uint64_t page = 0; page < guest.layout.pages; page++)
		guest.stored += guest.fills[page] > 0;
}

static inline void guest_open(void)
{
	reads.damaged_page = 0;
	reads_will(0, 0);
	ASSERT_OK(checkpoint_open(&moody_store, "g", 0, &guest.checkpoint, &fault));
	ASSERT_OK(checkpoint_load(guest.checkpoint, &fault));
	ck_assert_uint_eq(checkpoint_stored(guest.checkpoint), guest.stored);
}

static inline void guest_end(void)
{
	checkpoint_close(give(guest.checkpoint));
	layout_clear(&guest.layout);
	free(give(guest.devices));
	fixture_end();
}
