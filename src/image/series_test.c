/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Series of checkpoints in which a few pages change each time: what is stored is what changed, and
 * every checkpoint reads back as the guest was. A page's fill is what the model says.
 */
#include "image/image_fixture.h"

#include "image/writer.h"

enum { KEPT = 6, SLOTS = STORE_SEGMENT_BYTES / 4096 };

static const struct guest_size guest = {4096, 3 * SLOTS, 3000};

static uint8_t fills[PAGES_MAX];
static struct {
	uint64_t number; /* 0: none */
	uint8_t fills[PAGES_MAX];
} kept[KEPT];

static struct image *image;
static unsigned segments_put; /* of the last checkpoint */
static const struct manifest *last;
static unsigned seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static void begin_series(void)
{
	fixture_begin();
	memset(kept, 0, sizeof(kept));
	fills_of(1, fills);
	seed = 1;
	ASSERT_OK(image_open(store, "g", &image, &fault));
}

static void end_series(void)
{
	image_close(give(image));
	fixture_end();
}

static void reopen(void)
{
	image_close(give(image));
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ck_assert_ptr_null(image_damage(image));
}

static int hand_over(const struct ram_layout *l, struct straight_buffers *b)
{
	int r = image_begin(image, l, &b->base, &fault);

	for (uint32_t page = 0; !r && page < l->pages; page++)
		r = image_add_page(image, page, page_of(&guest, page, fills[page]), &fault);
	return r;
}

static void put_all(const struct ram_layout *l)
{
	struct straight_buffers b;
	auto_free uint8_t *state = make_devices(&guest, 1);

	straight_init(&b, image);
	ASSERT_OK(hand_over(l, &b));
	ASSERT_OK(image_end(image, state, guest.device_bytes, &fault));
	ck_assert_int_eq(b.result, 0);
	segments_put = b.puts;
	straight_clear(&b);
}

/* One checkpoint of what the model says now; it is remembered. */
static void take(void)
{
	const struct checkpoint_facts facts = {1, 1, "7.2.22"};
	struct ram_layout l;

	make_layout(&guest, &l);
	put_all(&l);
	ASSERT_OK(image_commit(image, &facts, &last, &fault));
	layout_clear(&l);
	size_t place = last->id.number % KEPT;
	if (kept[place].number)
		ASSERT_OK(image_delete(image, kept[place].number, &fault));
	kept[place].number = last->id.number;
	memcpy(kept[place].fills, fills, sizeof(fills));
}

static void check_kept(void)
{
	for (size_t i = 0; i < KEPT; i++) {
		auto_of(checkpoint_close) struct checkpoint *c = NULL;

		if (!kept[i].number)
			continue;
		ASSERT_OK(checkpoint_open(store, "g", kept[i].number, &c, &fault));
		ASSERT_OK(read_pages(c, &guest, kept[i].fills));
	}
}

static void change(uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++)
		fills[any(guest.pages)] = any(10) ? 1 + any(250) : 0;
}

START_TEST(stores_nothing_where_nothing_changed)
{
	begin_series();
	take();
	ck_assert_uint_eq(last->pages_changed, last->pages_written);
	ck_assert_uint_eq(last->base, 0);
	for (int i = 0; i < 3; i++) {
		take();
		ck_assert_uint_eq(last->pages_changed, 0);
		ck_assert_uint_eq(last->pages_written, 0);
		ck_assert_uint_eq(last->base, i + 1);
		ck_assert_uint_lt(last->bytes_written, guest.device_bytes + 100);
		reopen();
	}
	check_kept();
	end_series();
}
END_TEST

START_TEST(stores_what_changed_and_only_that)
{
	begin_series();
	take();
	fills[7] = 9;
	fills[10] = 9; /* was zero */
	fills[11] = 0;
	take();
	ck_assert_uint_eq(last->pages_changed, 3);
	ck_assert_uint_eq(last->pages_written, 2);
	ck_assert_uint_eq(last->pages_moved, 0);
	ck_assert_uint_eq(last->delta_count, 1);
	ck_assert_uint_eq(last->deltas[0].entries, 3);
	ck_assert_uint_lt(last->bytes_written, 2 * 4096 + guest.device_bytes + 300);
	check_kept();
	end_series();
}
END_TEST

START_TEST(goes_on_incrementally_when_it_is_opened_again)
{
	begin_series();
	take();
	for (int i = 0; i < 20; i++) {
		uint64_t before = last->id.number;

		change(20);
		reopen();
		take();
		ck_assert_uint_le(last->pages_changed, 20);
		ck_assert_uint_eq(last->base, before);
		check_kept();
	}
	end_series();
}
END_TEST

/* What was dropped is not what the next one is compared with. */
START_TEST(compares_with_the_last_checkpoint_and_not_with_a_dropped_one)
{
	struct ram_layout l;

	begin_series();
	make_layout(&guest, &l);
	take();
	fills[7] = 9;
	put_all(&l);
	ASSERT_OK(image_drop(image, &fault));
	reopen();
	fills[8] = 9;
	take();
	ck_assert_uint_eq(last->pages_changed, 2);
	check_kept();
	layout_clear(&l);
	end_series();
}
END_TEST

START_TEST(takes_a_page_that_does_not_pass_by_as_unchanged)
{
	const struct checkpoint_facts facts = {1, 1, "7.2.22"};
	struct straight_buffers b;
	struct ram_layout l;

	begin_series();
	make_layout(&guest, &l);
	take();
	straight_init(&b, image);
	ASSERT_OK(image_begin(image, &l, &b.base, &fault));
	fills[9] = 77;
	ASSERT_OK(image_add_page(image, 9, page_of(&guest, 9, 77), &fault));
	ASSERT_OK(image_end(image, (const uint8_t *)"x", 1, &fault));
	ASSERT_OK(image_commit(image, &facts, &last, &fault));
	kept[2].number = last->id.number;
	memcpy(kept[2].fills, fills, sizeof(fills));
	check_kept();
	straight_clear(&b);
	layout_clear(&l);
	end_series();
}
END_TEST

START_TEST(writes_the_index_anew_when_the_deltas_pass_a_quarter_of_it)
{
	uint64_t entries = 0;

	begin_series();
	take();
	for (int i = 0; i < 40; i++) {
		change(100);
		take();
		if (last->index.checkpoint == last->id.number) {
			ck_assert_uint_eq(last->delta_count, 0);
			ck_assert_uint_gt((entries + last->pages_changed + last->pages_moved) * 4,
					  guest.pages - last->pages_zero);
			entries = 0;
		}
		entries = 0;
		for (size_t k = 0; k < last->delta_count; k++)
			entries += last->deltas[k].entries;
		ck_assert_uint_le(entries * 4, guest.pages - last->pages_zero);
	}
	check_kept();
	end_series();
}
END_TEST

START_TEST(writes_the_index_anew_after_many_small_deltas)
{
	begin_series();
	take();
	for (int i = 0; i < 150; i++) {
		change(1);
		take();
		ck_assert_uint_le(last->delta_count, 64);
	}
	check_kept();
	end_series();
}
END_TEST

static uint64_t data_segments(void)
{
	return segment_list_count(&last->data);
}

START_TEST(keeps_the_space_within_bounds)
{
	uint64_t moved = 0;

	begin_series();
	take();
	for (int i = 0; i < 200; i++) {
		uint64_t live = (guest.pages - last->pages_zero + SLOTS - 1) / SLOTS;

		change(1 + any(100));
		if (!any(5))
			reopen();
		take();
		moved += last->pages_moved;
		ck_assert_uint_le(data_segments(), live * 3 / 2 + 3);
		/* The manifest and the superblock are written beside these. */
		ck_assert_uint_le(segments_put + 2, last->bytes_written / STORE_SEGMENT_BYTES + 8);
		if (!any(10))
			check_kept();
	}
	ck_assert_uint_gt(moved, 0);
	check_kept();
	/* With all others gone, the store holds little more than the last one needs. */
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].number && kept[i].number != last->id.number) {
			ASSERT_OK(image_delete(image, kept[i].number, &fault));
			kept[i].number = 0;
		}
	ck_assert_int_le(count_files("seg-"), (int)data_segments() + 64 + 5);
	check_kept();
	end_series();
}
END_TEST

/* Another layout: a block before pc.ram, which grew; the others are gone. */
static void put_grown_guest(const struct ram_layout *l, uint32_t before)
{
	struct straight_buffers b;

	straight_init(&b, image);
	ASSERT_OK(image_begin(image, l, &b.base, &fault));
	for (uint32_t page = 0; page < l->pages; page++) {
		uint32_t old = page - before;
		uint8_t fill = page < before ? page == 3 : old < guest.pages - 5 ? fills[old] : 0;

		ASSERT_OK(image_add_page(image, page, page_of(&guest, old, fill), &fault));
	}
	ASSERT_OK(image_end(image, (const uint8_t *)"x", 1, &fault));
	straight_clear(&b);
}

static int no_damage(void *context, const struct damage *d)
{
	(void)context;
	ck_abort_msg("%s", d->fault->text);
}

START_TEST(knows_the_pages_of_a_block_by_its_name)
{
	const struct checkpoint_facts facts = {1, 1, "7.2.22"};
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct ram_layout l = {.page_bytes = 4096, .configuration_bytes = 1};
	struct verify_figures figures;

	begin_series();
	take();
	ASSERT_OK(layout_add_block(&l, "dimm0", 50 * 4096, &fault));
	ASSERT_OK(layout_add_block(&l, "pc.ram", (guest.pages + 10) * 4096ull, &fault));
	put_grown_guest(&l, 50);
	ASSERT_OK(image_commit(image, &facts, &last, &fault));
	ck_assert_uint_eq(last->index.checkpoint, 2);
	ck_assert_uint_eq(last->pages_changed, 1);
	ASSERT_OK(checkpoint_open(store, "g", 2, &c, &fault));
	ASSERT_OK(checkpoint_verify(c, no_damage, NULL, &figures, &fault));
	ck_assert_uint_eq(figures.pages, l.pages - last->pages_zero);
	checkpoint_close(give(c));
	take(); /* and back */
	ck_assert_uint_le(last->pages_changed, 5);
	check_kept();
	layout_clear(&l);
	end_series();
}
END_TEST

static int sum_changes(void *sum, const struct block_difference *d)
{
	*(uint64_t *)sum += d->pages_changed;
	ck_assert_uint_eq(d->bytes_changed, d->pages_changed * 4096);
	return 0;
}

START_TEST(tells_the_difference_of_two_checkpoints)
{
	auto_of(checkpoint_close) struct checkpoint *older = NULL;
	auto_of(checkpoint_close) struct checkpoint *newer = NULL;
	uint64_t sum = 0;

	begin_series();
	take();
	change(300);
	take();
	change(300);
	fills[5] = 9; /* and back */
	take();
	uint64_t expected = 0;
	for (uint32_t page = 0; page < guest.pages; page++)
		expected += kept[1].fills[page] != fills[page];
	ASSERT_OK(checkpoint_open(store, "g", 1, &older, &fault));
	ASSERT_OK(checkpoint_open(store, "g", 3, &newer, &fault));
	ASSERT_OK(checkpoint_diff(older, newer, sum_changes, &sum, &fault));
	ck_assert_uint_eq(sum, expected);
	end_series();
}
END_TEST

START_TEST(reads_pages_in_any_order)
{
	enum { MANY = 40 };
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	static uint8_t data[MANY * 4096];

	begin_series();
	take();
	for (int i = 0; i < 5; i++) {
		change(200);
		take();
	}
	ASSERT_OK(checkpoint_open(store, "g", 0, &c, &fault));
	ASSERT_OK(checkpoint_load(c, &fault));
	for (int round = 0; round < 300; round++) {
		uint64_t pages[MANY];
		size_t count = 0;
		uint64_t first = any(guest.pages);

		/* Neighbours, or here and there. */
		for (uint64_t i = 0; i < MANY; i++) {
			uint64_t page = round % 2 ? any(guest.pages) : (first + i) % guest.pages;

			ck_assert(!checkpoint_segment_of(c, page) == !fills[page]);
			if (fills[page])
				pages[count++] = page;
		}
		ASSERT_OK(checkpoint_read_pages(c, pages, count, data, &fault));
		for (size_t i = 0; i < count; i++)
			ck_assert_mem_eq(data + i * 4096,
					 page_of(&guest, pages[i], fills[pages[i]]), 4096);
	}
	checkpoint_close(give(c));
	end_series();
}
END_TEST

START_TEST(gives_the_segments_with_fresh_pages_first)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct segment_pages s;
	bool changed[PAGES_MAX] = {false};
	uint64_t pages = 0;
	uint8_t before[PAGES_MAX];

	begin_series();
	take();
	memcpy(before, fills, sizeof(fills));
	change(100);
	for (uint32_t page = 0; page < guest.pages; page++)
		changed[page] = fills[page] && fills[page] != before[page];
	take();
	ASSERT_OK(checkpoint_open(store, "g", 0, &c, &fault));
	ASSERT_OK(checkpoint_load(c, &fault));
	ASSERT_OK(checkpoint_order(c, &fault));
	for (size_t k = 0; checkpoint_segment(c, k, &s); k++) {
		for (size_t i = 0; i < s.count; i++)
			ck_assert(changed[s.pages[i]] == (k == 0));
		pages += s.count;
	}
	ck_assert_uint_eq(pages, checkpoint_stored(c));
	checkpoint_close(give(c));
	end_series();
}
END_TEST

START_TEST(has_a_table_of_20_bytes_a_page)
{
	ck_assert_uint_eq(sizeof(struct page_place), 20);
}
END_TEST

UNIT_MAIN("series", stores_nothing_where_nothing_changed, stores_what_changed_and_only_that,
	  goes_on_incrementally_when_it_is_opened_again,
	  compares_with_the_last_checkpoint_and_not_with_a_dropped_one,
	  takes_a_page_that_does_not_pass_by_as_unchanged,
	  writes_the_index_anew_when_the_deltas_pass_a_quarter_of_it,
	  writes_the_index_anew_after_many_small_deltas, keeps_the_space_within_bounds,
	  knows_the_pages_of_a_block_by_its_name, tells_the_difference_of_two_checkpoints,
	  reads_pages_in_any_order, gives_the_segments_with_fresh_pages_first,
	  has_a_table_of_20_bytes_a_page)
