/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real streams through a pipe into an image on a directory store. */
#include "capture/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/capture.h"
#include "vmguard/stream.h"

enum { STREAM_MAX = 4 << 20 };

static struct fault fault;
static uint8_t stream[STREAM_MAX];
static size_t stream_bytes;

static char folder[64];
static struct store *store;
static struct image *image;
static struct spool *spool;
static struct reader *reader;
static int pipe_fds[2];

#define ASSERT_OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, fault.text)

static void load_stream(const char *name)
{
	char path[512];
	const char *root = getenv("SOURCE_ROOT");

	snprintf(path, sizeof(path), "%s/src/stream/corpus/parser/%s", root ? root : ".", name);
	FILE *file = fopen(path, "rbe");
	ck_assert_msg(file != NULL, "%s", path);
	stream_bytes = fread(stream, 1, sizeof(stream), file);
	fclose(file);
	ck_assert_uint_gt(stream_bytes, 0);
}

static void begin(uint64_t spool_bytes)
{
	struct reader_options options = {.spool_bytes = spool_bytes};
	char uri[80];

	snprintf(folder, sizeof(folder), "%s/vmguard-reader-XXXXXX",
		 access("/dev/shm", W_OK) < 0 ? "/tmp" : "/dev/shm");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(uri, sizeof(uri), "dir:%s", folder);
	ASSERT_OK(store_open(uri, &store, &fault));
	ASSERT_OK(image_open(store, "g", &image, &fault));
	ASSERT_OK(spool_new(image_store(image), &spool, &fault));
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
	options.fd = pipe_fds[0];
	options.image = image;
	options.spool = spool;
	ASSERT_OK(reader_start(&options, &reader, &fault));
}

/* Blocks while the pipe is full: it returns when the reader has read nearly all. */
static void feed(const void *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		ssize_t n = write(pipe_fds[1], (const char *)bytes + at, length - at);

		ck_assert_int_gt(n, 0);
		at += n;
	}
}

static void end_of_file(void)
{
	close(give_fd(&pipe_fds[1]));
}

/* Waits for the end of file; what the reader says. */
static int finish(struct reader_figures *figures)
{
	do
		reader_figures(reader, figures);
	while (!figures->ended);
	return reader_finish(give(reader), &fault);
}

static void end(void)
{
	spool_free(give(spool));
	image_close(give(image));
	store_image_remove(store, "g", &fault);
	store_close(give(store));
	ck_assert_int_eq(rmdir(folder), 0);
	close(pipe_fds[0]);
	if (pipe_fds[1] >= 0)
		end_of_file();
}

/* ---- what the stream holds, from the parser itself ------------------------------------ */

/* Independent of the order of pages. */
struct tally {
	struct stream_sink sink; /* of the parser, */
	struct page_sink pages;	 /* or of the checkpoint */
	uint64_t data, zero, sum;
	size_t device_bytes;
	uint64_t device_sum;
};

static uint64_t sum_of(const uint8_t *bytes, size_t length, uint64_t seed)
{
	for (size_t i = 0; i < length; i++)
		seed = seed * 1099511628211u + bytes[i];
	return seed;
}

static void count(struct tally *t, uint64_t page, const uint8_t *data)
{
	t->data += data != NULL;
	t->zero += data == NULL;
	t->sum += data ? sum_of(data, 4096, page) : page;
}

static int tally_layout(struct stream_sink *s, const struct ram_layout *l, struct fault *f)
{
	(void)s;
	(void)f;
	ck_assert_uint_eq(l->page_bytes, 4096);
	return 0;
}

static int tally_stream_page(struct stream_sink *s, uint64_t page, const uint8_t *data,
			     struct fault *f)
{
	(void)f;
	count((struct tally *)s, page, data);
	return 0;
}

static int tally_devices(struct stream_sink *s, const uint8_t *state, size_t bytes, struct fault *f)
{
	struct tally *t = (struct tally *)s;

	(void)f;
	t->device_bytes = bytes;
	t->device_sum = sum_of(state, bytes, 0);
	return 0;
}

static struct tally tally_stream(void)
{
	static const struct stream_sink_ops ops = {tally_layout, tally_stream_page, tally_devices};
	struct tally t = {.sink = {&ops}};
	auto_of(stream_parser_free) struct stream_parser *p = stream_parser_new(&t.sink);

	ASSERT_OK(stream_feed(p, stream, stream_bytes, &fault));
	ASSERT_OK(stream_finish(p, &fault));
	return t;
}

static int tally_stored_page(struct page_sink *s, uint64_t page, const uint8_t *data,
			     struct fault *f)
{
	(void)f;
	count((struct tally *)((char *)s - offsetof(struct tally, pages)), page, data);
	return 0;
}

static struct tally tally_checkpoint(void)
{
	static const struct page_sink_ops ops = {tally_stored_page};
	struct tally t = {.pages = {&ops}};
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	auto_free uint8_t *state = NULL;

	ASSERT_OK(checkpoint_open(store, "g", 0, &c, &fault));
	ASSERT_OK(checkpoint_each_page(c, &t.pages, &fault));
	ASSERT_OK(checkpoint_devices(c, &state, &t.device_bytes, &fault));
	t.device_sum = sum_of(state, t.device_bytes, 0);
	return t;
}

/* ---- cases ---------------------------------------------------------------------------- */

static void capture_whole(const char *name)
{
	struct checkpoint_facts facts = {1, 1, "7.2.22"};
	struct reader_figures figures;

	load_stream(name);
	begin(0);
	feed(stream, stream_bytes);
	end_of_file();
	ASSERT_OK(finish(&figures));
	ASSERT_OK(spool_drain(spool, &fault));
	struct tally expected = tally_stream();
	ck_assert_uint_eq(figures.bytes, stream_bytes);
	ck_assert_int_gt(CPU_COUNT(&figures.cpus), 0);
	ck_assert_uint_eq(figures.pages, expected.data + expected.zero);
	ck_assert_uint_eq(figures.pages_total, expected.data + expected.zero);
	ck_assert_uint_eq(figures.pages_zero, expected.zero);
	ck_assert_uint_eq(figures.device_bytes, expected.device_bytes);
	ASSERT_OK(image_commit(image, &facts, NULL, &fault));
	struct tally stored = tally_checkpoint();
	ck_assert_uint_eq(stored.data, expected.data);
	ck_assert_uint_eq(stored.zero, expected.zero);
	ck_assert_uint_eq(stored.sum, expected.sum);
	ck_assert_uint_eq(stored.device_bytes, expected.device_bytes);
	ck_assert_uint_eq(stored.device_sum, expected.device_sum);
	end();
}

START_TEST(puts_a_whole_stream_into_the_image)
{
	capture_whole("qemu-7.2-pc");
	capture_whole("qemu-10.0-pc");
}
END_TEST

START_TEST(takes_the_stream_in_small_pieces)
{
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	begin(0);
	for (size_t at = 0; at < stream_bytes; at += 997)
		feed(stream + at, stream_bytes - at < 997 ? stream_bytes - at : 997);
	end_of_file();
	ASSERT_OK(finish(&figures));
	ck_assert_uint_eq(figures.bytes, stream_bytes);
	end();
}
END_TEST

START_TEST(gives_the_spool_its_limit)
{
	static const uint64_t limits[][2] = {
		{0, SPOOL_BYTES_MIN}, /* a quarter of this small guest is less than the least */
		{1, SPOOL_BYTES_MIN},
		{UINT64_C(40) * STORE_SEGMENT_BYTES, UINT64_C(40) * STORE_SEGMENT_BYTES},
	};
	struct reader_figures figures;
	struct spool_figures spooled;

	load_stream("qemu-7.2-pc");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		begin(limits[i][0]);
		feed(stream, stream_bytes);
		end_of_file();
		ASSERT_OK(finish(&figures));
		spool_figures(spool, &spooled);
		ck_assert_uint_eq(spooled.limit_bytes, limits[i][1]);
		end();
	}
}
END_TEST

/* QEMU must be able to write all it has, or the guest hangs. */
START_TEST(reads_garbage_to_its_end_and_says_what_it_is)
{
	struct reader_figures figures;

	memset(stream, 'x', sizeof(stream));
	begin(0);
	feed(stream, sizeof(stream));
	end_of_file();
	ck_assert_int_eq(finish(&figures), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(fault.text, "not a QEMU migration stream"));
	ck_assert_uint_eq(figures.bytes, sizeof(stream));
	ck_assert_uint_eq(figures.pages, 0);
	end();
}
END_TEST

START_TEST(reads_on_when_the_stream_turns_bad)
{
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	begin(0);
	feed(stream, stream_bytes / 2);
	memset(stream, 0xff, sizeof(stream));
	feed(stream, sizeof(stream));
	end_of_file();
	ck_assert_int_lt(finish(&figures), 0);
	ck_assert_uint_eq(figures.bytes, stream_bytes / 2 + sizeof(stream));
	ASSERT_OK(image_drop(image, &fault));
	end();
}
END_TEST

START_TEST(says_where_a_stream_is_cut)
{
	static const int parts[] = {0, 1, 50, 95, 99};
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t length = stream_bytes * parts[i] / 100;

		begin(0);
		feed(stream, length);
		end_of_file();
		ck_assert_msg(finish(&figures) == -ENODATA, "%d %%: %s", parts[i], fault.text);
		ck_assert_uint_eq(figures.bytes, length);
		ck_assert_uint_eq(figures.device_bytes, 0);
		end();
	}
}
END_TEST

START_TEST(drains_to_nowhere_once_abandoned)
{
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	begin(0);
	reader_abandon(reader);
	for (int i = 0; i < 20; i++)
		feed(stream, stream_bytes);
	end_of_file();
	ck_assert_int_eq(finish(&figures), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(fault.text, "dropped"));
	ck_assert_uint_eq(figures.bytes, 20 * stream_bytes);
	ck_assert_uint_eq(figures.pages, 0);
	end();
}
END_TEST

START_TEST(drains_to_nowhere_when_abandoned_in_the_middle)
{
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	begin(0);
	feed(stream, stream_bytes / 2);
	do
		reader_figures(reader, &figures);
	while (figures.bytes < stream_bytes / 2);
	reader_abandon(reader);
	feed(stream + stream_bytes / 2, stream_bytes - stream_bytes / 2);
	end_of_file();
	ck_assert_int_eq(finish(&figures), -ECANCELED);
	ck_assert_uint_eq(figures.bytes, stream_bytes);
	ck_assert_uint_eq(figures.device_bytes, 0);
	ASSERT_OK(image_drop(image, &fault));
	end();
}
END_TEST

START_TEST(ends_without_the_end_of_file_when_told_to_quit)
{
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	begin(0);
	feed(stream, 1000);
	reader_quit(reader);
	ck_assert_int_eq(finish(&figures), -ECANCELED);
	end();
}
END_TEST

START_TEST(reads_on_when_the_spool_failed)
{
	struct reader_figures figures;

	load_stream("qemu-7.2-pc");
	begin(0);
	spool_cancel(spool);
	feed(stream, stream_bytes);
	end_of_file();
	ck_assert_int_eq(finish(&figures), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(fault.text, "no buffer for segment"));
	ck_assert_uint_eq(figures.bytes, stream_bytes);
	end();
}
END_TEST

UNIT_MAIN("reader", puts_a_whole_stream_into_the_image, takes_the_stream_in_small_pieces,
	  gives_the_spool_its_limit, reads_garbage_to_its_end_and_says_what_it_is,
	  reads_on_when_the_stream_turns_bad, says_where_a_stream_is_cut,
	  drains_to_nowhere_once_abandoned, drains_to_nowhere_when_abandoned_in_the_middle,
	  ends_without_the_end_of_file_when_told_to_quit, reads_on_when_the_spool_failed)
