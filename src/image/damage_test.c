/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A checkpoint of which one segment is damaged or gone. The reader must say where, and must not
 * hand on a wrong page: read_pages() checks each one that comes.
 */
#include "image/image_fixture.h"
#include "image/writer.h"

#include <fcntl.h>
#include <inttypes.h>

enum { FLIPS = 48, FLIPS_OF_HEAD = 33 };

/* Pages in two segments; so six segments. */
static const struct guest_size guest = {4096, 1300, 5000};

/* The one file of a segment. */
static int open_segment_file(uint64_t segment, int flags)
{
	char path[FILE_PATH_BYTES], prefix[32];
	struct dirent *entry;
	int fd = -1;

	snprintf(prefix, sizeof(prefix), "seg-%" PRIu64 ".", segment);
	ck_assert_int_eq(count_files(prefix), 1);
	file_path("", path);
	DIR *names = opendir(path);
	while ((entry = readdir(names)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			fd = openat(dirfd(names), entry->d_name, flags | O_CLOEXEC);
	closedir(names);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void flip(int fd, off_t at)
{
	uint8_t byte;

	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 1u << at % 8;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
}

/* The kinds of segments, and the words by which a fault names them. */
struct part {
	const char *words;
	uint64_t segment;
};

enum { PARTS = 6 };

static void find_parts(struct part parts[PARTS])
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	auto_of(store_image_close) struct store_image *image = NULL;
	struct superblock s;
	size_t n = 0;

	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	const struct manifest *m = checkpoint_manifest(c);
	ASSERT_OK(store_image_open(store, "g", STORE_READ, &m->id, &image, &fault));
	ASSERT_OK(superblock_read(image, &s, &fault));
	parts[n++] = (struct part){"superblock", 0};
	parts[n++] = (struct part){"manifest of checkpoint 1 of g", s.manifest_segment};
	parts[n++] = (struct part){"index", m->index.segments.ranges[0].first};
	for (size_t i = 0; i < m->devices.count; i++)
		for (uint64_t k = 0; k < m->devices.ranges[i].count; k++)
			parts[n++] = (struct part){"device state", m->devices.ranges[i].first + k};
	for (size_t i = 0; i < m->data.count; i++)
		for (uint64_t k = 0; k < m->data.ranges[i].count; k++)
			parts[n++] = (struct part){"page ", m->data.ranges[i].first + k};
	ck_assert_uint_eq(n, PARTS);
}

static void must_name(const struct part *p, int64_t at)
{
	char segment[32];

	snprintf(segment, sizeof(segment), "segment %" PRIu64, p->segment);
	ck_assert_msg(strstr(fault.text, p->words) && (!p->segment || strstr(fault.text, segment)),
		      "%s, segment %" PRIu64 " at %" PRId64 ": %s", p->words, p->segment, at,
		      fault.text);
}

static int keep_damage(void *kept, const struct damage *d)
{
	*(struct damage *)kept = *d;
	return 0;
}

/* Verify finds exactly this. */
static void must_find(const char *what, uint64_t segment, const struct ram_block *b,
		      uint64_t offset)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct verify_figures figures;
	struct damage found = {0};

	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	ASSERT_OK(checkpoint_verify(c, keep_damage, &found, &figures, &fault));
	ck_assert_uint_eq(figures.damaged, 1);
	ck_assert_str_eq(found.what, what);
	ck_assert_uint_eq(found.segment, segment);
	ck_assert_uint_eq(found.offset, offset);
	ck_assert(!b == !found.block);
	if (b)
		ck_assert_str_eq(found.block->name, b->name);
}

START_TEST(finds_nothing_wrong_where_nothing_is)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct verify_figures figures;

	fixture_begin();
	must_write(&guest, 3, 1);
	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	ASSERT_OK(checkpoint_verify(c, keep_damage, NULL, &figures, &fault));
	ck_assert_uint_eq(figures.damaged, 0);
	ck_assert_uint_eq(figures.pages, guest.pages - (guest.pages + 4) / 5);
	fixture_end();
}
END_TEST

static void flip_through(const struct part *p)
{
	auto_fd int fd = open_segment_file(p->segment, O_RDWR);
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	for (int i = p->words[0] == 'p' ? FLIPS_OF_HEAD : 0; i < FLIPS; i++) {
		/* Each byte of a header, the last, and some in between. */
		off_t at = i < FLIPS_OF_HEAD ? i
			   : i == FLIPS - 1  ? st.st_size - 1
					     : st.st_size / FLIPS * i + i % 8;

		flip(fd, at);
		int r = read_checkpoint(&guest, 1, 3);
		ck_assert_msg(r == -EBADMSG || r == -EOPNOTSUPP || r == -EIO, "%s at %jd: %d",
			      p->words, (intmax_t)at, r);
		must_name(p, at);
		if (!strcmp(p->words, "index") || !strcmp(p->words, "device state"))
			must_find(p->words, p->segment, NULL, 0);
		flip(fd, at);
	}
	must_read(&guest, 1, 3);
}

START_TEST(names_the_segment_in_which_a_bit_is_flipped)
{
	struct part parts[PARTS];

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	for (int i = 0; i < PARTS; i++)
		flip_through(&parts[i]);
	fixture_end();
}
END_TEST

START_TEST(names_the_page_in_which_a_bit_is_flipped)
{
	struct part parts[PARTS];
	char words[LAYOUT_NAME_BYTES + 100];
	struct ram_layout l;
	uint64_t slot = 0;

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	make_layout(&guest, &l);
	for (uint64_t page = 0; page < guest.pages; page++) {
		const struct ram_block *b = layout_block_of(&l, page);

		if (page % 5 == 0)
			continue;
		uint64_t segment = parts[PARTS - 2 + slot / 1024].segment;
		off_t at = slot++ % 1024 * 4096;

		if (page % 101 > 1 && page < guest.pages - 6)
			continue;
		auto_fd int fd = open_segment_file(segment, O_RDWR);
		flip(fd, at + page);
		ck_assert_int_eq(read_checkpoint(&guest, 1, 3), -EBADMSG);
		snprintf(words, sizeof(words), "page %s+0x%" PRIx64 " in segment %" PRIu64 " (",
			 b->name, (page - b->first_page) * 4096, segment);
		ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
		must_find("page", segment, b, (page - b->first_page) * 4096);
		flip(fd, at + page);
	}
	layout_clear(&l);
	fixture_end();
}
END_TEST

static void cut(const struct part *p, off_t bytes)
{
	auto_fd int fd = open_segment_file(p->segment, O_RDWR);
	static uint8_t whole[STORE_SEGMENT_BYTES];
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(pread(fd, whole, st.st_size, 0), st.st_size);
	ck_assert_int_eq(ftruncate(fd, bytes < 0 ? st.st_size + bytes : bytes), 0);
	int r = read_checkpoint(&guest, 1, 3);
	ck_assert_msg(r == -EIO || r == -EBADMSG, "%s cut: %d", p->words, r);
	ck_assert_ptr_nonnull(
		strstr(fault.text, p->segment ? "segment" : "open checkpoint 1 of g"));
	ck_assert_int_eq(pwrite(fd, whole, st.st_size, 0), st.st_size);
}

START_TEST(refuses_a_segment_that_is_cut)
{
	static const off_t sizes[] = {0, 1, 31, 32, 33, -1};
	struct part parts[PARTS];

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	for (int i = 0; i < PARTS; i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			cut(&parts[i], sizes[k]);
	must_read(&guest, 1, 3);
	fixture_end();
}
END_TEST

START_TEST(names_a_segment_that_is_gone)
{
	struct part parts[PARTS];
	char path[FILE_PATH_BYTES], words[48], link[32];

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	for (int i = 0; i < PARTS; i++) {
		int fd = open_segment_file(parts[i].segment, O_RDONLY);

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(link, path, sizeof(path) - 5);
		ck_assert_int_gt(length, 0);
		path[length] = '\0';
		close(fd);
		auto_free char *aside = NULL;
		ck_assert_int_gt(asprintf(&aside, "%s/aside", folder), 0);
		ck_assert_int_eq(rename(path, aside), 0);
		ck_assert_int_eq(read_checkpoint(&guest, 1, 3), -EIO);
		snprintf(words, sizeof(words), "of segment %" PRIu64 " of g", parts[i].segment);
		ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
		ck_assert_int_eq(rename(aside, path), 0);
	}
	must_read(&guest, 1, 3);
	fixture_end();
}
END_TEST

/* Half an index must not pass for a whole one when it is asked again. */
START_TEST(refuses_a_damaged_index_each_time)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct part parts[PARTS];
	uint8_t fills[PAGES_MAX];

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	auto_fd int fd = open_segment_file(parts[2].segment, O_RDWR);
	flip(fd, 100);
	fills_of(3, fills);
	ASSERT_OK(checkpoint_open(store, "g", 1, &c, &fault));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(read_pages(c, &guest, fills), -EBADMSG);
	flip(fd, 100);
	ASSERT_OK(read_pages(c, &guest, fills));
	ASSERT_OK(read_pages(c, &guest, fills));
	checkpoint_close(give(c));
	fixture_end();
}
END_TEST

/* What cannot be compared with is no reason to stop: the next checkpoint is whole. */
START_TEST(stores_everything_anew_where_the_head_is_damaged)
{
	struct part parts[PARTS];

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	for (int i = 0; i < PARTS; i++) {
		auto_of(image_close) struct image *image = NULL;
		auto_fd int fd = open_segment_file(parts[i].segment, O_RDWR);

		if (!strcmp(parts[i].words, "device state") || !strcmp(parts[i].words, "page "))
			continue; /* the next checkpoint does not need it */
		flip(fd, 90);
		ASSERT_OK(image_open(store, "g", &image, &fault));
		ck_assert_ptr_nonnull(image_damage(image));
		must_name(&parts[i], 90);
		ck_assert_uint_eq(image->head.id.number, 1);
		image_close(give(image));
		flip(fd, 90);
	}
	auto_fd int fd = open_segment_file(parts[2].segment, O_RDWR);
	flip(fd, 90);
	must_write(&guest, 4, 2);
	must_read(&guest, 2, 4);
	fixture_end();
}
END_TEST

/* A page that never changes would stay damaged for ever. */
START_TEST(heals_a_damaged_page_when_it_is_told_to_store_all_anew)
{
	auto_of(image_close) struct image *image = NULL;
	struct part parts[PARTS];
	uint64_t number;

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	auto_fd int fd = open_segment_file(parts[PARTS - 1].segment, O_RDWR);
	flip(fd, 5);
	must_write(&guest, 3, 2);
	ck_assert_int_eq(read_checkpoint(&guest, 2, 3), -EBADMSG);
	ASSERT_OK(image_open(store, "g", &image, &fault));
	image_forget_pages(image);
	ASSERT_OK(put_checkpoint(image, &guest, 3));
	ASSERT_OK(commit_checkpoint(image, 3, &number));
	image_close(give(image));
	must_read(&guest, 3, 3);
	must_write(&guest, 3, 4);
	must_read(&guest, 4, 3);
	fixture_end();
}
END_TEST

START_TEST(lets_the_other_checkpoints_be_read)
{
	struct part parts[PARTS];

	fixture_begin();
	must_write(&guest, 3, 1);
	find_parts(parts);
	auto_fd int fd = open_segment_file(parts[PARTS - 1].segment, O_RDWR);
	must_write(&guest, 4, 2);
	flip(fd, 5);
	ck_assert_int_eq(read_checkpoint(&guest, 1, 3), -EBADMSG);
	must_read(&guest, 2, 4);
	must_write(&guest, 5, 3);
	must_read(&guest, 3, 5);
	fixture_end();
}
END_TEST

UNIT_MAIN("damage", finds_nothing_wrong_where_nothing_is,
	  names_the_segment_in_which_a_bit_is_flipped, names_the_page_in_which_a_bit_is_flipped,
	  refuses_a_segment_that_is_cut, names_a_segment_that_is_gone,
	  refuses_a_damaged_index_each_time, stores_everything_anew_where_the_head_is_damaged,
	  heals_a_damaged_page_when_it_is_told_to_store_all_anew,
	  lets_the_other_checkpoints_be_read)
