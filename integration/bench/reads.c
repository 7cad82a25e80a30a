/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Single reads of 4 KiB at random places of an RBD image, one after the other, straight on librbd:
 * what a page costs at least that is fetched when it is asked for.
 *
 *	reads --conf FILE --image NAME --bytes N [--count N] [--readers N --rate BYTES]
 *
 * All reads lie within the first --bytes, which must be written: an object that is not there is
 * answered faster. --readers threads read whole objects meanwhile, in order, --rate bytes a second
 * together. One line of JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool.h"
#include "vmguard/clock.h"

enum { PAGE_BYTES = 4096, OBJECT_BYTES = 4 << 20, READERS_MAX = 64 };

static struct {
	const char *conf;
	const char *pool;
	const char *image;
	uint64_t bytes;
	uint64_t count;
	uint64_t readers;
	uint64_t rate;
} options = {.pool = "rbd", .count = 2000};

struct reads {
	struct pool pool;
	rbd_image_t image;
	int64_t *times_us; /* of each page */
	int64_t started_us;
	_Atomic uint64_t next; /* object of the readers */
	_Atomic bool over;
	_Atomic int failed;
};

static int read_at(struct reads *r, uint64_t offset, char *buffer, size_t bytes)
{
	ssize_t n = rbd_read(r->image, offset, bytes, buffer);

	return n == (ssize_t)bytes ? 0 : n < 0 ? (int)n : -EIO;
}

/* Sleeps until the objects so far are due. */
static void wait_for_rate(const struct reads *r, uint64_t objects)
{
	if (!options.rate)
		return;
	int64_t due = r->started_us + (int64_t)(objects * OBJECT_BYTES * 1e6 / options.rate);
	int64_t now = clock_us(CLOCK_MONOTONIC);

	if (due > now)
		sleep_us(due - now);
}

static void *reader_main(void *reads)
{
	struct reads *r = reads;
	char *buffer = malloc(OBJECT_BYTES);
	int result = buffer ? 0 : -ENOMEM;

	while (!result && !r->over) {
		uint64_t object = r->next++;

		wait_for_rate(r, object);
		result = read_at(r, object % (options.bytes / OBJECT_BYTES) * OBJECT_BYTES, buffer,
				 OBJECT_BYTES);
	}
	if (result < 0)
		r->failed = result;
	free(buffer);
	return NULL;
}

static int read_pages(struct reads *r)
{
	char page[PAGE_BYTES];
	int result = 0;

	for (uint64_t i = 0; !result && i < options.count; i++) {
		uint64_t at = (uint64_t)random() % (options.bytes / PAGE_BYTES) * PAGE_BYTES;
		int64_t start = clock_us(CLOCK_MONOTONIC);

		result = read_at(r, at, page, PAGE_BYTES);
		r->times_us[i] = clock_us(CLOCK_MONOTONIC) - start;
	}
	return result;
}

static int measure(struct reads *r, struct fault *f)
{
	pthread_t threads[READERS_MAX];
	uint64_t count = 0;
	int result = 0;

	r->started_us = clock_us(CLOCK_MONOTONIC);
	for (; !result && count < options.readers; count += !result)
		result = -pthread_create(&threads[count], NULL, reader_main, r);
	if (!result)
		result = read_pages(r);
	r->over = true;
	while (count)
		pthread_join(threads[--count], NULL);
	if (!result)
		result = r->failed;
	return result < 0 ? fault_errno(f, result, "read the image %s", options.image) : 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a;
	int64_t right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void print(struct reads *r)
{
	int64_t took_us = clock_us(CLOCK_MONOTONIC) - r->started_us;

	qsort(r->times_us, options.count, sizeof(*r->times_us), by_value);
	printf("{\"reads\": %" PRIu64 ", \"p50_us\": %" PRId64 ", \"p99_us\": %" PRId64
	       ", \"load\": %.0f}\n",
	       options.count, r->times_us[options.count / 2], r->times_us[options.count * 99 / 100],
	       r->next * (double)OBJECT_BYTES * 1e6 / took_us);
}

static int run(struct reads *r, struct fault *f)
{
	int result = pool_open(&r->pool, options.conf, options.pool, f);

	if (result < 0)
		return result;
	result = rbd_open_read_only(r->pool.io, options.image, &r->image, NULL);
	if (result < 0)
		return fault_errno(f, result, "open the image %s", options.image);
	r->times_us = calloc(options.count, sizeof(*r->times_us));
	if (!r->times_us)
		return fault_errno(f, -ENOMEM, "keep %" PRIu64 " times", options.count);
	result = measure(r, f);
	if (!result)
		print(r);
	return result;
}

static void options_read(int argc, char **argv)
{
	static const struct option names[] = {{"conf", 1, NULL, 'c'},  {"pool", 1, NULL, 'p'},
					      {"image", 1, NULL, 'i'}, {"bytes", 1, NULL, 'b'},
					      {"count", 1, NULL, 'n'}, {"readers", 1, NULL, 'r'},
					      {"rate", 1, NULL, 's'},  {0}};
	const char **texts[] = {
		['c'] = &options.conf, ['p'] = &options.pool, ['i'] = &options.image, ['z'] = NULL};
	uint64_t *numbers[] = {['b'] = &options.bytes,
			       ['n'] = &options.count,
			       ['r'] = &options.readers,
			       ['s'] = &options.rate,
			       ['z'] = NULL};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == '?')
			exit(2);
		if (texts[option])
			*texts[option] = optarg;
		else
			*numbers[option] = strtoull(optarg, NULL, 10);
	}
	if (options.conf && options.image && options.bytes >= OBJECT_BYTES && options.count &&
	    options.readers <= READERS_MAX)
		return;
	fprintf(stderr, "Usage: reads --conf FILE [--pool POOL] --image NAME --bytes N, at least "
			"4 MiB [--count N]\n [--readers 0…64 [--rate BYTES]]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct reads r = {0};
	struct fault f = {0};

	options_read(argc, argv);
	int result = run(&r, &f);
	if (result < 0)
		fprintf(stderr, "reads: %s\n", f.text);
	if (r.image)
		rbd_close(r.image);
	pool_close(&r.pool);
	free(r.times_us);
	return result < 0;
}
