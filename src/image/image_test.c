/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints written and read back, on a real directory store. */
#include "image/image_fixture.h"

/* Pages over several segments, the last one not full; device state over three blocks. */
static const struct guest_size large_guest = {4096, 2600, (9 << 20) + 1};

START_TEST(reads_back_what_was_written)
{
	fixture_begin();
	must_write(&small_guest, 7, 1);
	must_read(&small_guest, 1, 7);
	must_read(&small_guest, 0, 7);
	fixture_end();
}
END_TEST

START_TEST(reads_back_pages_and_devices_over_many_segments)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;

	fixture_begin();
	must_write(&large_guest, 1, 1);
	must_write(&large_guest, 2, 2);
	must_read(&large_guest, 1, 1);
	must_read(&large_guest, 2, 2);
	ASSERT_OK(checkpoint_open(store, "g", 2, &c, &fault));
	const struct manifest *m = checkpoint_manifest(c);
	ck_assert_uint_eq(segment_list_count(&m->data), 3);
	ck_assert_uint_eq(segment_list_count(&m->devices), 3);
	checkpoint_close(give(c));
	fixture_end();
}
END_TEST

START_TEST(keeps_odd_sizes)
{
	static const struct guest_size guests[] = {
		{1024, 4096, 0},
		{4096, 6, BLOCK_PAYLOAD_MAX},
		{4096, 1024 * 5 / 4 + 5, BLOCK_PAYLOAD_MAX + 1},
		{2048, 7, 1},
	};

	fixture_begin();
	for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
		must_write(&guests[i], 9, i + 1);
		must_read(&guests[i], 0, 9);
	}
	fixture_end();
}
END_TEST

START_TEST(says_in_the_manifest_what_was_taken)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct ram_layout l;

	fixture_begin();
	must_write(&small_guest, 3, 1);
	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	const struct manifest *m = checkpoint_manifest(c);
	ck_assert_str_eq(m->guest, "g");
	ck_assert_uint_eq(m->id.epoch, 1);
	ck_assert_uint_eq(m->id.number, 1);
	ck_assert_int_eq(m->time_ms, 1700000000003);
	ck_assert_int_eq(m->pause_us, 3);
	ck_assert_str_eq(m->qemu_version, "7.2.22");
	ck_assert_uint_eq(m->pages_zero, 5);
	ck_assert_uint_eq(m->pages_written, 16);
	ck_assert_uint_eq(m->device_bytes, small_guest.device_bytes);
	make_layout(&small_guest, &l);
	ck_assert_uint_eq(m->layout.block_count, l.block_count);
	for (size_t i = 0; i < l.block_count; i++) {
		ck_assert_str_eq(m->layout.blocks[i].name, l.blocks[i].name);
		ck_assert_uint_eq(m->layout.blocks[i].bytes, l.blocks[i].bytes);
	}
	layout_clear(&l);
	checkpoint_close(give(c));
	fixture_end();
}
END_TEST

struct counting_sink {
	struct page_sink base;
	uint64_t pages, sum;
};

static int count_page(struct page_sink *s, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct counting_sink *c = (struct counting_sink *)s;

	(void)f;
	ck_assert(data && !memcmp(data, &page, sizeof(page)));
	c->pages++;
	c->sum += page;
	return 0;
}

/* One page more than the first index block holds, of the smallest size; from the last one. */
static void write_many_pages(uint64_t pages)
{
	auto_of(image_close) struct image *image = NULL;
	struct straight_buffers b;
	struct ram_layout l = {.page_bytes = 1024, .configuration_bytes = 1};
	uint8_t data[1024] = {0};
	uint64_t number;

	ASSERT_OK(layout_add_block(&l, "pc.ram", pages * l.page_bytes, &fault));
	ASSERT_OK(image_open(store, "g", &image, &fault));
	straight_init(&b, image);
	ASSERT_OK(image_begin(image, &l, &b.base, &fault));
	for (uint64_t page = pages; page-- > 0;) {
		memcpy(data, &page, sizeof(page));
		ASSERT_OK(image_add_page(image, page, data, &fault));
	}
	ASSERT_OK(image_end(image, NULL, 0, &fault));
	ASSERT_OK(commit_checkpoint(image, 1, &number));
	straight_clear(&b);
	layout_clear(&l);
}

START_TEST(keeps_an_index_of_several_blocks)
{
	static const struct page_sink_ops ops = {count_page};
	const uint64_t pages = BLOCK_ENTRIES_MAX + 1;
	struct counting_sink sink = {{&ops}, 0, 0};
	auto_of(checkpoint_close) struct checkpoint *c = NULL;

	fixture_begin();
	write_many_pages(pages);
	ASSERT_OK(checkpoint_open(store, "g", 0, &c, &fault));
	ck_assert_uint_eq(segment_list_count(&checkpoint_manifest(c)->index.segments), 2);
	ASSERT_OK(checkpoint_each_page(c, &sink.base, &fault));
	ck_assert_uint_eq(sink.pages, pages);
	ck_assert_uint_eq(sink.sum, pages * (pages - 1) / 2);
	checkpoint_close(give(c));
	fixture_end();
}
END_TEST

START_TEST(keeps_old_checkpoints_readable)
{
	enum { COUNT = 6 };

	fixture_begin();
	for (uint8_t i = 1; i <= COUNT; i++) {
		must_write(&small_guest, i, i);
		for (uint8_t old = 1; old <= i; old++)
			must_read(&small_guest, old, old);
	}
	/* Each has its own superblock, data, index, devices and manifest. */
	ck_assert_int_eq(count_files("seg-"), COUNT * 5);
	fixture_end();
}
END_TEST

START_TEST(goes_on_in_one_opening)
{
	auto_of(image_close) struct image *image = NULL;
	uint64_t number = 0;

	fixture_begin();
	ASSERT_OK(image_open(store, "g", &image, &fault));
	for (uint8_t i = 1; i <= 4; i++) {
		ASSERT_OK(put_checkpoint(image, &small_guest, i));
		ASSERT_OK(commit_checkpoint(image, i, &number));
		ck_assert_uint_eq(number, i);
	}
	image_close(give(image));
	for (uint8_t i = 1; i <= 4; i++)
		must_read(&small_guest, i, i);
	fixture_end();
}
END_TEST

START_TEST(writes_again_to_what_the_checkpoint_before_left)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;

	fixture_begin();
	for (uint8_t i = 1; i <= 8; i++)
		must_write(&small_guest, i, i);
	ASSERT_OK(checkpoint_open(store, "g", 0, &c, &fault));
	ck_assert_uint_lt(checkpoint_manifest(c)->data.ranges[0].first, 9);
	checkpoint_close(give(c));
	fixture_end();
}
END_TEST

START_TEST(shows_nothing_before_the_commit)
{
	auto_of(image_close) struct image *image = NULL;
	uint64_t number;

	fixture_begin();
	must_write(&small_guest, 1, 1);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ASSERT_OK(put_checkpoint(image, &small_guest, 2));
	must_read(&small_guest, 0, 1);
	ASSERT_OK(commit_checkpoint(image, 2, &number));
	must_read(&small_guest, 0, 2);
	image_close(give(image));
	fixture_end();
}
END_TEST

START_TEST(leaves_the_last_checkpoint_when_it_is_closed_in_the_middle)
{
	struct image *image;
	struct straight_buffers b;

	fixture_begin();
	must_write(&large_guest, 1, 1);
	int files = count_files("seg-");
	ASSERT_OK(image_open(store, "g", &image, &fault));
	straight_init(&b, image);
	ASSERT_OK(put_pages(image, &large_guest, 2, &b));
	ck_assert_int_gt(count_files("seg-"), files);
	straight_clear(&b);
	image_close(image);
	must_read(&large_guest, 0, 1);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ck_assert_int_eq(count_files("seg-"), files); /* and the room is free again */
	image_close(image);
	must_write(&large_guest, 3, 2);
	must_read(&large_guest, 1, 1);
	must_read(&large_guest, 2, 3);
	fixture_end();
}
END_TEST

START_TEST(frees_what_a_dropped_checkpoint_wrote)
{
	auto_of(image_close) struct image *image = NULL;
	struct ram_layout l;
	uint64_t number = 0;

	fixture_begin();
	make_layout(&small_guest, &l);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ASSERT_OK(put_checkpoint(image, &small_guest, 1));
	ck_assert_int_eq(count_files("seg-"), 3);
	ASSERT_OK(image_drop(image, &fault));
	ck_assert_int_eq(count_files("seg-"), 0);
	ck_assert_int_eq(image_begin(image, &l, NULL, &fault), -ESTALE);
	ck_assert_int_eq(image_expect(image, 0, &fault), -ESTALE);
	image_close(give(image));
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ASSERT_OK(put_checkpoint(image, &small_guest, 2));
	ASSERT_OK(commit_checkpoint(image, 2, &number));
	ck_assert_uint_eq(number, 1);
	ASSERT_OK(put_checkpoint(image, &small_guest, 3));
	ck_assert_int_eq(count_files("seg-"), 8);
	ASSERT_OK(image_drop(image, &fault));
	ck_assert_int_eq(count_files("seg-"), 5);
	must_read(&small_guest, 0, 2);
	ASSERT_OK(image_drop(image, &fault)); /* nothing to drop */
	must_read(&small_guest, 0, 2);
	image_close(give(image));
	layout_clear(&l);
	fixture_end();
}
END_TEST

START_TEST(gives_up_when_there_is_no_buffer)
{
	auto_of(image_close) struct image *image = NULL;
	struct straight_buffers b;

	fixture_begin();
	must_write(&small_guest, 1, 1);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	straight_init(&b, image);
	b.result = -ECANCELED;
	ck_assert_int_eq(put_pages(image, &small_guest, 2, &b), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(fault.text, "no buffer for segment"));
	ASSERT_OK(image_drop(image, &fault));
	ck_assert_int_eq(count_files("seg-"), 5);
	image_close(give(image));
	fixture_end();
}
END_TEST

START_TEST(refuses_a_second_writer)
{
	auto_of(image_close) struct image *image = NULL;
	struct image *second = NULL;

	fixture_begin();
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ck_assert_int_eq(image_open(store, "g", &second, &fault), -EBUSY);
	ck_assert_ptr_null(second);
	image_close(give(image));
	fixture_end();
}
END_TEST

START_TEST(names_the_checkpoints_there_are)
{
	struct checkpoint *c = NULL;

	fixture_begin();
	ck_assert_int_eq(checkpoint_open(store, "g", 0, &c, &fault), -ENOENT);
	for (uint8_t i = 1; i <= 3; i++)
		must_write(&small_guest, i, i);
	ASSERT_OK(checkpoint_delete(store, "g", 1, &fault));
	ck_assert_int_eq(checkpoint_open(store, "g", 1, &c, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "the oldest is 2, the newest 3"));
	ck_assert_ptr_null(c);
	fixture_end();
}
END_TEST

static int collect_number(void *context, const struct listed_checkpoint *l)
{
	uint64_t *numbers = context;

	numbers[++numbers[0]] = l->manifest->id.number;
	return numbers[0] == 3 ? -ECANCELED : 0;
}

START_TEST(lists_checkpoints_from_the_oldest)
{
	uint64_t numbers[4] = {0};

	fixture_begin();
	ck_assert_int_eq(checkpoint_list(store, "g", collect_number, numbers, &fault), -ENOENT);
	must_write(&small_guest, 1, 1);
	must_write(&small_guest, 2, 2);
	ASSERT_OK(checkpoint_list(store, "g", collect_number, numbers, &fault));
	ck_assert_uint_eq(numbers[0], 2);
	ck_assert_uint_eq(numbers[1], 1);
	ck_assert_uint_eq(numbers[2], 2);
	ck_assert_int_eq(checkpoint_list(store, "g", collect_number, numbers, &fault), -ECANCELED);
	fixture_end();
}
END_TEST

START_TEST(frees_the_segments_of_the_oldest_when_it_is_deleted)
{
	fixture_begin();
	for (uint8_t i = 1; i <= 3; i++)
		must_write(&small_guest, i, i);
	ck_assert_int_eq(count_files("seg-"), 15);
	ASSERT_OK(checkpoint_delete(store, "g", 1, &fault));
	ck_assert_int_eq(count_files("seg-"), 10);
	must_read(&small_guest, 2, 2);
	must_read(&small_guest, 3, 3);
	fixture_end();
}
END_TEST

START_TEST(goes_back_to_the_one_before_when_the_newest_is_deleted)
{
	fixture_begin();
	for (uint8_t i = 1; i <= 3; i++)
		must_write(&small_guest, i, i);
	ASSERT_OK(checkpoint_delete(store, "g", 3, &fault));
	must_read(&small_guest, 0, 2);
	must_read(&small_guest, 1, 1);
	must_write(&small_guest, 4, 3);
	must_read(&small_guest, 1, 1);
	must_read(&small_guest, 2, 2);
	must_read(&small_guest, 3, 4);
	ck_assert_int_eq(count_files("seg-"), 15);
	fixture_end();
}
END_TEST

START_TEST(removes_the_image_with_its_last_checkpoint)
{
	struct checkpoint *c;

	fixture_begin();
	must_write(&small_guest, 1, 1);
	must_write(&small_guest, 2, 2);
	ASSERT_OK(checkpoint_delete(store, "g", 1, &fault));
	ASSERT_OK(checkpoint_delete(store, "g", 2, &fault));
	ck_assert_int_eq(count_files(""), 0);
	ck_assert_int_eq(checkpoint_open(store, "g", 0, &c, &fault), -ENOENT);
	ck_assert_int_eq(checkpoint_delete(store, "g", 2, &fault), -ENOENT);
	must_write(&small_guest, 3, 1);
	must_write(&small_guest, 4, 2);
	ASSERT_OK(checkpoint_delete(store, "g", 0, &fault));
	ck_assert_int_eq(count_files(""), 0);
	fixture_end();
}
END_TEST

START_TEST(does_not_delete_a_checkpoint_that_is_read)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;

	fixture_begin();
	must_write(&small_guest, 1, 1);
	must_write(&small_guest, 2, 2);
	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	ck_assert_int_eq(checkpoint_delete(store, "g", 1, &fault), -EBUSY);
	ck_assert_int_eq(checkpoint_delete(store, "g", 0, &fault), -EBUSY);
	must_read(&small_guest, 1, 1);
	checkpoint_close(give(c));
	ASSERT_OK(checkpoint_delete(store, "g", 1, &fault));
	must_read(&small_guest, 2, 2);
	fixture_end();
}
END_TEST

/* The number of the next one and the tag, of an image that is opened for it. */
static uint32_t tag_before(uint64_t number)
{
	auto_of(image_close) struct image *image = NULL;

	ASSERT_OK(image_open(store, "g", &image, &fault));
	ck_assert_uint_eq(image_next_id(image).epoch, 1);
	ck_assert_uint_eq(image_next_id(image).number, number);
	ck_assert_uint_eq(image_first_tag(image), store_first_tag(store, "g"));
	return image_tag(image);
}

START_TEST(has_a_tag_that_stays)
{
	fixture_begin();
	uint32_t first = tag_before(1);
	ck_assert_uint_eq(tag_before(1), first);
	ck_assert_uint_eq(store_first_tag(store, "g"), first);
	ck_assert_uint_ne(store_first_tag(store, "h"), first);
	must_write(&small_guest, 1, 1);
	uint32_t tag = tag_before(2);
	ck_assert_uint_eq(tag_before(2), tag);
	must_write(&small_guest, 2, 2);
	ck_assert_uint_eq(tag_before(3), tag);
	fixture_end();
}
END_TEST

START_TEST(keeps_disks_and_definition_with_the_checkpoint)
{
	auto_of(image_close) struct image *image = NULL;
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct disk disks[2] = {{.target = "vda", .source = "/a", .snapshot = "s"},
				{.target = "vdb", .storage = DISK_RBD, .source = "p/i"}};
	const struct disk_list list = {disks, 2};
	const struct checkpoint_facts facts = {.qemu_version = "7.2.22",
					       .pause = {.own_us = 7},
					       .disks = &list,
					       .xml = "<domain/>"};

	fixture_begin();
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ASSERT_OK(put_checkpoint(image, &small_guest, 1));
	ASSERT_OK(image_commit(image, &facts, NULL, &fault));
	image_close(give(image));
	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	const struct manifest *m = checkpoint_manifest(c);
	ck_assert_uint_eq(m->disks.count, 2);
	ck_assert_mem_eq(&m->disks.disks[1], &disks[1], sizeof(disks[1]));
	ck_assert_str_eq(m->xml, "<domain/>");
	ck_assert_int_eq(m->pause.own_us, 7);
	checkpoint_close(give(c));
	fixture_end();
}
END_TEST

UNIT_MAIN("image", has_a_tag_that_stays, keeps_disks_and_definition_with_the_checkpoint,
	  reads_back_what_was_written, reads_back_pages_and_devices_over_many_segments,
	  keeps_odd_sizes, says_in_the_manifest_what_was_taken, keeps_an_index_of_several_blocks,
	  keeps_old_checkpoints_readable, goes_on_in_one_opening,
	  writes_again_to_what_the_checkpoint_before_left, shows_nothing_before_the_commit,
	  leaves_the_last_checkpoint_when_it_is_closed_in_the_middle,
	  frees_what_a_dropped_checkpoint_wrote, gives_up_when_there_is_no_buffer,
	  refuses_a_second_writer, names_the_checkpoints_there_are,
	  lists_checkpoints_from_the_oldest, frees_the_segments_of_the_oldest_when_it_is_deleted,
	  goes_back_to_the_one_before_when_the_newest_is_deleted,
	  removes_the_image_with_its_last_checkpoint, does_not_delete_a_checkpoint_that_is_read)
