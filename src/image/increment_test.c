/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checkpoints that hold only what changed since an index. The format carries them, the writer
 * does not make them yet: they are put together here by hand, from the structures.
 */
#include "image/image_fixture.h"

#include "image/manifest.h"

enum { FAR = 20 }; /* segments of increments begin here; what whole checkpoints use is below */

/* The head, opened to put an increment on it. */
struct increment {
	struct store_image *image;
	struct superblock superblock;
	struct manifest manifest;
	uint64_t next; /* segment */
	struct entry_list *delta;
	uint32_t place;
};

static void begin_increment(struct increment *i, uint64_t first_segment)
{
	*i = (struct increment){.next = first_segment};
	ASSERT_OK(store_image_open(store, "g", STORE_WRITE, NULL, &i->image, &fault));
	ASSERT_OK(store_reserve(i->image, 1000, &fault));
	ASSERT_OK(superblock_read(i->image, &i->superblock, &fault));
	struct manifest *m = &i->manifest;
	ASSERT_OK(manifest_read(i->image, &i->superblock, m, &fault));
	i->superblock.id.number = ++m->id.number;
	m->deltas = realloc(m->deltas, (m->delta_count + 1) * sizeof(*m->deltas));
	i->delta = &m->deltas[m->delta_count++];
	*i->delta = (struct entry_list){.checkpoint = m->id.number};
}

static void write_block(struct increment *i, struct block b, uint8_t *bytes)
{
	block_seal(&b, bytes);
	ASSERT_OK(segment_write(i->image, i->next, bytes, BLOCK_HEADER_BYTES + b.payload_bytes,
				&fault));
	i->next++;
}

/* Writes these pages as one data segment and one delta block; fill 0: became zero. */
static void put_changes(struct increment *i, const uint32_t (*changes)[2], size_t count)
{
	auto_free uint8_t *data = calloc(count, small_guest.page_bytes);
	auto_free uint8_t *block = calloc(count + 2, ENTRY_BYTES);
	uint64_t segment = i->next++;
	uint32_t used = 0;

	for (size_t k = 0; k < count; k++) {
		struct page_entry e = {.page = changes[k][0]};
		const uint8_t *page = page_of(&small_guest, e.page, changes[k][1]);

		if (page) {
			e.slot = segment * (STORE_SEGMENT_BYTES / 4096) + used;
			memcpy(data + used++ * 4096, page, 4096);
			page_hash(i->superblock.secret, page, 4096, e.hash);
		}
		page_entry_encode(&e, block + BLOCK_HEADER_BYTES + k * ENTRY_BYTES);
	}
	if (used) {
		ASSERT_OK(segment_list_add(&i->manifest.data, segment, &fault));
		ASSERT_OK(segment_write(i->image, segment, data, used * 4096, &fault));
	}
	ASSERT_OK(segment_list_add(&i->delta->segments, i->next, &fault));
	write_block(
		i,
		(struct block){BLOCK_DELTA, i->manifest.id.number, i->place++, count * ENTRY_BYTES},
		block);
}

/* Devices, manifest, superblock; commits. */
static void end_increment(struct increment *i, uint8_t device_fill, uint64_t zero_pages)
{
	struct manifest *m = &i->manifest;
	uint8_t bytes[4096];
	auto_free uint8_t *state = make_devices(&small_guest, device_fill);
	auto_free char *text = NULL;
	size_t length;

	m->pages_zero = zero_pages;
	segment_list_clear(&m->devices);
	ASSERT_OK(segment_list_add(&m->devices, i->next, &fault));
	memcpy(bytes + BLOCK_HEADER_BYTES, state, small_guest.device_bytes);
	write_block(i, (struct block){BLOCK_DEVICES, m->id.number, 0, small_guest.device_bytes},
		    bytes);
	ASSERT_OK(manifest_encode(m, &text, &length, &fault));
	memcpy(bytes + BLOCK_HEADER_BYTES, text, length);
	i->superblock.manifest_segment = i->next;
	i->superblock.manifest_bytes = BLOCK_HEADER_BYTES + length;
	write_block(i, (struct block){BLOCK_MANIFEST, m->id.number, 0, length}, bytes);
	ASSERT_OK(superblock_write(i->image, &i->superblock, &fault));
	ASSERT_OK(store_commit(i->image, m->id, &fault));
	store_image_close(give(i->image));
	manifest_clear(m);
}

static int read_with(uint64_t number, const uint8_t fills[PAGES_MAX])
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	int r = checkpoint_open(store, "g", number, &c, &fault);

	return r < 0 ? r : read_pages(c, &small_guest, fills);
}

static uint64_t count_zero(const uint8_t fills[PAGES_MAX])
{
	uint64_t zero = 0;

	for (uint32_t page = 0; page < small_guest.pages; page++)
		zero += !fills[page];
	return zero;
}

static void apply(uint8_t fills[PAGES_MAX], const uint32_t (*changes)[2], size_t count)
{
	for (size_t k = 0; k < count; k++)
		fills[changes[k][0]] = changes[k][1];
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(reads_a_page_where_the_last_delta_says)
{
	/* changed; zero before; became zero; the last page; twice in one delta; zero as before */
	static const uint32_t first[][2] = {{1, 50}, {5, 51}, {2, 0},  {20, 52}, {3, 53},
					    {3, 54}, {6, 0},  {6, 55}, {10, 0}};
	/* changed again; zero again; back from zero; untouched ones stay */
	static const uint32_t second[][2] = {{1, 60}, {5, 0}, {2, 61}, {20, 0}, {7, 62}};
	static const uint32_t third[][2] = {{1, 0}};
	struct increment i;
	uint8_t fills[PAGES_MAX], before[PAGES_MAX];

	fixture_begin();
	must_write(&small_guest, 1, 1);
	fills_of(1, fills);
	begin_increment(&i, FAR);
	put_changes(&i, first, COUNT(first));
	apply(fills, first, COUNT(first));
	end_increment(&i, 2, count_zero(fills));
	ASSERT_OK(read_with(2, fills));
	memcpy(before, fills, sizeof(before));
	begin_increment(&i, 2 * FAR);
	put_changes(&i, second, COUNT(second)); /* a delta of two blocks */
	put_changes(&i, third, COUNT(third));
	apply(fills, second, COUNT(second));
	apply(fills, third, COUNT(third));
	end_increment(&i, 3, count_zero(fills));
	ASSERT_OK(read_with(0, fills));
	ASSERT_OK(read_with(2, before));
	must_read(&small_guest, 1, 1);
	fixture_end();
}
END_TEST

START_TEST(takes_a_whole_checkpoint_after_increments)
{
	static const uint32_t changes[][2] = {{1, 50}, {5, 51}, {2, 0}};
	struct increment i;
	uint8_t fills[PAGES_MAX];

	fixture_begin();
	must_write(&small_guest, 1, 1);
	fills_of(1, fills);
	begin_increment(&i, FAR);
	put_changes(&i, changes, COUNT(changes));
	apply(fills, changes, COUNT(changes));
	end_increment(&i, 2, count_zero(fills));
	/* It must not write over anything that the increments need while it can fail. */
	for (uint8_t n = 3; n < 6; n++) {
		struct image *image;

		ASSERT_OK(image_open(store, "g", &image, &fault));
		ASSERT_OK(put_checkpoint(image, &small_guest, n));
		image_close(image);
		ASSERT_OK(read_with(0, fills));
	}
	must_write(&small_guest, 6, 3);
	must_read(&small_guest, 3, 6);
	ASSERT_OK(read_with(2, fills));
	ASSERT_OK(checkpoint_delete(store, "g", 1, &fault));
	ASSERT_OK(read_with(2, fills));
	ASSERT_OK(checkpoint_delete(store, "g", 2, &fault));
	must_read(&small_guest, 3, 6);
	ck_assert_int_eq(count_files("seg-"), 5);
	fixture_end();
}
END_TEST

/* One increment with these changes; reading it must fail with these words. */
static void must_not_read(const uint32_t (*changes)[2], size_t count, uint64_t zero_pages,
			  const char *words)
{
	struct increment i;
	uint8_t fills[PAGES_MAX];

	fixture_begin();
	must_write(&small_guest, 1, 1);
	fills_of(1, fills);
	begin_increment(&i, FAR);
	put_changes(&i, changes, count);
	end_increment(&i, 2, zero_pages);
	apply(fills, changes, count < 2 ? 0 : count);
	ck_assert_int_eq(read_with(2, fills), -EBADMSG);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
	fixture_end();
}

START_TEST(refuses_an_entry_for_a_page_that_there_is_not)
{
	static const uint32_t changes[][2] = {{21, 0}};

	must_not_read(changes, 1, 5, "delta: segment 21: page 21 of 21");
}
END_TEST

START_TEST(refuses_another_number_of_zero_pages_than_the_manifest_says)
{
	static const uint32_t changes[][2] = {{1, 50}, {2, 0}};

	must_not_read(changes, 2, 5, "names 15 pages and the manifest 5 zero pages of 21");
}
END_TEST

START_TEST(refuses_a_page_in_a_segment_that_holds_no_pages)
{
	static const uint32_t changes[][2] = {{1, 50}};
	struct increment i;
	uint8_t fills[PAGES_MAX];

	fixture_begin();
	must_write(&small_guest, 1, 1);
	fills_of(1, fills);
	begin_increment(&i, FAR);
	put_changes(&i, changes, 1);
	i.manifest.data.count--;
	end_increment(&i, 2, 5);
	ck_assert_int_eq(read_with(2, fills), -EBADMSG);
	ck_assert_ptr_nonnull(
		strstr(fault.text, "page 1 lies in segment 20, which holds no pages"));
	fixture_end();
}
END_TEST

START_TEST(refuses_an_index_that_names_a_page_twice)
{
	static const uint32_t changes[][2] = {{1, 50}, {1, 51}};
	struct increment i;
	uint8_t fills[PAGES_MAX];
	uint8_t block[BLOCK_HEADER_BYTES + 2 * ENTRY_BYTES] = {0};
	struct block b = {BLOCK_INDEX, 1, 1, 2 * ENTRY_BYTES};

	fixture_begin();
	must_write(&small_guest, 1, 1);
	fills_of(1, fills);
	begin_increment(&i, FAR);
	put_changes(&i, changes, 2);
	/* A second block of the index of checkpoint 1, with zero pages: 0 and, again, 1. */
	block[BLOCK_HEADER_BYTES + ENTRY_BYTES] = 1;
	ASSERT_OK(segment_list_add(&i.manifest.index.segments, i.next, &fault));
	write_block(&i, b, block);
	end_increment(&i, 2, 5);
	ck_assert_int_eq(read_with(2, fills), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(fault.text, "index: segment 22: page 1 is named twice"));
	fixture_end();
}
END_TEST

/* A slot has 32 bits: a page that lies behind the last one must not be written at all. */
START_TEST(refuses_to_write_behind_the_last_slot)
{
	static const uint32_t changes[][2] = {{1, 50}};
	const uint64_t last = UINT32_MAX / (STORE_SEGMENT_BYTES / 4096);
	auto_of(image_close) struct image *image = NULL;
	struct increment i;

	fixture_begin();
	must_write(&small_guest, 1, 1);
	begin_increment(&i, FAR);
	put_changes(&i, changes, 1);
	i.manifest.data.ranges[i.manifest.data.count - 1].first = 1;
	i.manifest.data.ranges[i.manifest.data.count - 1].count = last;
	end_increment(&i, 2, 5);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ck_assert_int_eq(put_checkpoint(image, &small_guest, 3), -EFBIG);
	ck_assert_ptr_nonnull(strstr(fault.text, "image is too large"));
	image_close(give(image));
	fixture_end();
}
END_TEST

UNIT_MAIN("increment", reads_a_page_where_the_last_delta_says,
	  takes_a_whole_checkpoint_after_increments, refuses_an_entry_for_a_page_that_there_is_not,
	  refuses_another_number_of_zero_pages_than_the_manifest_says,
	  refuses_a_page_in_a_segment_that_holds_no_pages, refuses_an_index_that_names_a_page_twice,
	  refuses_to_write_behind_the_last_slot)
