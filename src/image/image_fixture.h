/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest whose pages can be recomputed, and checkpoints of it on a real directory store.
 *
 * A page holds one number (its "fill") and its own page number; fill 0 is a zero page.
 * A checkpoint of fill n has n in every page, but for each fifth one, which is zero.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/blocks.h"
#include "image/segments.h"
#include "unit.h"
#include "vmguard/image.h"

enum { BUFFERS_MAX = 3, PAGES_MAX = 4096, PAGE_BYTES_MAX = 4096, FILE_PATH_BYTES = 400 };

struct guest_size {
	uint32_t page_bytes;
	uint32_t pages;
	size_t device_bytes;
};

static const struct guest_size small_guest = {4096, 21, 100};

static struct fault fault;
static char folder[64]; /* of the store */
static struct store *store;

#define ASSERT_OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, fault.text)

/* ---- the store ------------------------------------------------------------------------ */

static inline void fixture_begin(void)
{
	char uri[80];

	/* Where fdatasync() costs nothing, if there is such a place. */
	snprintf(folder, sizeof(folder), "%s/vmguard-image-XXXXXX",
		 access("/dev/shm", W_OK) < 0 ? "/tmp" : "/dev/shm");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(uri, sizeof(uri), "dir:%s", folder);
	ASSERT_OK(store_open(uri, &store, &fault));
}

static inline void file_path(const char *name, char path[FILE_PATH_BYTES])
{
	snprintf(path, FILE_PATH_BYTES, "%s/g/%s", folder, name);
}

static inline void fixture_end(void)
{
	char path[FILE_PATH_BYTES];
	struct dirent *entry;

	store_close(give(store));
	file_path("", path);
	DIR *names = opendir(path);
	while (names && (entry = readdir(names)))
		unlinkat(dirfd(names), entry->d_name, 0);
	if (names)
		closedir(names);
	rmdir(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* How many files of the guest's folder have a name that starts so. */
static inline int count_files(const char *prefix)
{
	char path[FILE_PATH_BYTES];
	struct dirent *entry;
	int count = 0;

	file_path("", path);
	DIR *names = opendir(path);
	while (names && (entry = readdir(names)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	if (names)
		closedir(names);
	return count;
}

/* ---- the guest ------------------------------------------------------------------------ */

/* The last of three blocks ends within a page. */
static inline void make_layout(const struct guest_size *g, struct ram_layout *l)
{
	uint64_t page = g->page_bytes;

	*l = (struct ram_layout){.page_bytes = g->page_bytes, .ram_section_id = 2};
	strcpy(l->machine, "pc-i440fx-7.2");
	memcpy(l->configuration, "\x07machine", 8);
	l->configuration_bytes = 8;
	ASSERT_OK(layout_add_block(l, "pc.ram", (g->pages - 5) * page, &fault));
	ASSERT_OK(layout_add_block(l, "/rom@etc/\"acpi\"\\\n", 4 * page, &fault));
	ASSERT_OK(layout_add_block(l, "vga.vram", 100, &fault));
	ck_assert_uint_eq(l->pages, g->pages);
}

/* Pages from here on never change, but from zero in the first checkpoint. */
static uint32_t steady_from = PAGES_MAX;

static inline void fills_of(uint8_t fill, uint8_t fills[PAGES_MAX])
{
	for (uint32_t page = 0; page < PAGES_MAX; page++)
		fills[page] = !(page % 5) ? 0 : page < steady_from ? fill : 200;
}

/* NULL for a zero page. */
static inline const uint8_t *page_of(const struct guest_size *g, uint32_t page, uint8_t fill)
{
	static uint8_t data[PAGE_BYTES_MAX];

	memset(data, fill, g->page_bytes);
	memcpy(data, &page, sizeof(page));
	return fill ? data : NULL;
}

static inline uint8_t *make_devices(const struct guest_size *g, uint8_t fill)
{
	uint8_t *state = malloc(g->device_bytes + 1);

	for (size_t i = 0; i < g->device_bytes; i++)
		state[i] = i / 251 + i + fill;
	return state;
}

/* ---- writing -------------------------------------------------------------------------- */

/* Buffers whose segments go to the store at once; the first failure is kept. */
struct straight_buffers {
	struct image_buffers base;
	struct store_image *image;
	uint8_t *taken[BUFFERS_MAX];
	unsigned puts;
	int result;
	struct fault failure;
};

static inline uint8_t *straight_take(struct image_buffers *b)
{
	struct straight_buffers *s = (struct straight_buffers *)b;

	for (int i = 0; s->result == 0 && i < BUFFERS_MAX; i++)
		if (!s->taken[i])
			return s->taken[i] = malloc(STORE_SEGMENT_BYTES);
	return NULL;
}

static inline void straight_put(struct image_buffers *b, uint64_t segment, uint8_t *buffer,
				size_t bytes)
{
	struct straight_buffers *s = (struct straight_buffers *)b;
	struct fault f;
	int r = segment_write(s->image, segment, buffer, bytes, &f);

	s->puts++;
	if (r < 0 && !s->result) {
		s->result = r;
		s->failure = f;
	}
	for (int i = 0; i < BUFFERS_MAX; i++)
		if (s->taken[i] == buffer)
			free(give(s->taken[i]));
}

static inline void straight_init(struct straight_buffers *b, struct image *image)
{
	static const struct image_buffers_ops ops = {straight_take, straight_put};

	*b = (struct straight_buffers){.base = {&ops}, .image = image_store(image)};
}

static inline void straight_clear(struct straight_buffers *b)
{
	for (int i = 0; i < BUFFERS_MAX; i++)
		free(give(b->taken[i]));
}

static inline int put_pages(struct image *image, const struct guest_size *g, uint8_t fill,
			    struct straight_buffers *b)
{
	uint8_t fills[PAGES_MAX];
	struct ram_layout l;

	make_layout(g, &l);
	fills_of(fill, fills);
	int r = image_begin(image, &l, &b->base, &fault);
	for (uint32_t page = 0; !r && page < g->pages; page++)
		r = image_add_page(image, page, page_of(g, page, fills[page]), &fault);
	layout_clear(&l);
	return r;
}

/* Everything of a checkpoint but its commit. */
static inline int put_checkpoint(struct image *image, const struct guest_size *g, uint8_t fill)
{
	struct straight_buffers b;
	auto_free uint8_t *state = make_devices(g, fill);

	straight_init(&b, image);
	int r = put_pages(image, g, fill, &b);
	if (!r)
		r = image_end(image, state, g->device_bytes, &fault);
	straight_clear(&b);
	if (b.result)
		fault = b.failure;
	return b.result ? b.result : r;
}

static inline int commit_checkpoint(struct image *image, uint8_t fill, uint64_t *number)
{
	struct checkpoint_facts facts = {1700000000000 + fill, fill, "7.2.22"};
	const struct manifest *m;
	int r = image_commit(image, &facts, &m, &fault);

	if (!r)
		*number = m->id.number;
	return r;
}

/* As a capture does it: open, write, commit or drop, close. */
static inline int write_checkpoint(struct store *s, const struct guest_size *g, uint8_t fill,
				   uint64_t *number)
{
	auto_of(image_close) struct image *image = NULL;
	struct fault ignored;
	int r = image_open(s, "g", &image, &fault);

	if (r < 0)
		return r;
	r = put_checkpoint(image, g, fill);
	if (!r)
		r = commit_checkpoint(image, fill, number);
	if (r < 0)
		image_drop(image, &ignored);
	return r;
}

static inline void must_write(const struct guest_size *g, uint8_t fill, uint64_t expected)
{
	uint64_t number = 0;

	ASSERT_OK(write_checkpoint(store, g, fill, &number));
	ck_assert_uint_eq(number, expected);
}

/* ---- reading -------------------------------------------------------------------------- */

struct checking_sink {
	struct page_sink base;
	const struct guest_size *guest;
	const uint8_t *fills;
	uint8_t seen[PAGES_MAX];
};

static inline int check_one_page(struct page_sink *s, uint64_t page, const uint8_t *data,
				 struct fault *f)
{
	struct checking_sink *c = (struct checking_sink *)s;
	const uint8_t *expected = page_of(c->guest, page, c->fills[page]);

	(void)f;
	ck_assert_uint_lt(page, c->guest->pages);
	ck_assert_msg(!c->seen[page]++, "page %u twice", (unsigned)page);
	ck_assert_msg(!data == !expected, "page %u: zero or not", (unsigned)page);
	if (data)
		ck_assert_msg(!memcmp(data, expected, c->guest->page_bytes), "page %u",
			      (unsigned)page);
	return 0;
}

/* Reads all pages; each that comes must be right. 0: all came. */
static inline int read_pages(struct checkpoint *c, const struct guest_size *g,
			     const uint8_t fills[PAGES_MAX])
{
	static const struct page_sink_ops ops = {check_one_page};
	struct checking_sink sink = {{&ops}, g, fills, {0}};
	int r = checkpoint_each_page(c, &sink.base, &fault);

	for (uint32_t page = 0; !r && page < g->pages; page++)
		ck_assert_msg(sink.seen[page], "page %u is missing", page);
	return r;
}

static inline int read_devices(struct checkpoint *c, const struct guest_size *g, uint8_t fill)
{
	auto_free uint8_t *expected = make_devices(g, fill);
	auto_free uint8_t *state = NULL;
	size_t bytes;
	int r = checkpoint_devices(c, &state, &bytes, &fault);

	if (r < 0)
		return r;
	ck_assert_uint_eq(bytes, g->device_bytes);
	ck_assert_mem_eq(state, expected, bytes);
	return 0;
}

/* Reads a whole checkpoint (0: the newest) of this fill. A failure is in `fault`. */
static inline int read_checkpoint(const struct guest_size *g, uint64_t number, uint8_t fill)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	uint8_t fills[PAGES_MAX];
	int r = checkpoint_open(store, "g", number, &c, &fault);

	fills_of(fill, fills);
	if (!r)
		r = read_pages(c, g, fills);
	return r < 0 ? r : read_devices(c, g, fill);
}

static inline void must_read(const struct guest_size *g, uint64_t number, uint8_t fill)
{
	ASSERT_OK(read_checkpoint(g, number, fill));
}
