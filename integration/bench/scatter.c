/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checkpoints of pages that a program makes up, without a QEMU: what the image writer costs alone,
 * and what the same pages cost at fixed offsets of an RBD image, as one writes who keeps a flat
 * copy of the RAM.
 *
 *	memory     | object | object | …     4 MiB each; in every round some pages of each change
 *	  all      begin, every page, end, commit        as an engine hands over a guest
 *	  changed  begin, the changed pages, end, commit as an engine that knows them would
 *	  flat     rbd_aio_write of each, flush, snapshot
 *
 * One run has one way of the image and flat, or one of them alone: each checkpoint has one round's
 * pages. One line of JSON for each. Both writers have the same number of writes under way.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flat.h"
#include "vmguard/clock.h"
#include "vmguard/image.h"
#include "writes.h"

enum {
	PAGE_BYTES = 4096,
	PAGE_WORDS = PAGE_BYTES / sizeof(uint64_t),
	OBJECT_PAGES = STORE_SEGMENT_BYTES / PAGE_BYTES,
};

static struct {
	const char *store;
	const char *name;
	const char *ways; /* letters of all, changed, flat */
	const char *conf;
	const char *pool;
	uint64_t ram_mib;
	uint64_t per_object;
	uint64_t checkpoints;
	uint64_t keep;
	uint64_t in_flight;
} options = {.name = "scatter",
	     .ways = "af",
	     .pool = "rbd",
	     .ram_mib = 4096,
	     .per_object = 1,
	     .checkpoints = 10,
	     .keep = 5,
	     .in_flight = 16};

struct bench {
	uint8_t *memory;
	uint64_t pages;
	uint64_t *changed; /* of this round, ascending */
	uint64_t changed_count;
	uint64_t random;

	struct store *store;
	struct image *image;
	struct writes *writes;
	struct ram_layout layout;
	uint64_t number; /* of the image's last checkpoint */

	struct flat *flat;
	uint64_t flat_number;
};

static uint64_t next_random(struct bench *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random;
}

static const uint8_t *page_at(const struct bench *b, uint64_t page)
{
	return b->memory + page * PAGE_BYTES;
}

static void page_fill(struct bench *b, uint64_t page)
{
	uint64_t *words = (uint64_t *)(void *)(b->memory + page * PAGE_BYTES);

	for (size_t i = 0; i < PAGE_WORDS; i++)
		words[i] = next_random(b);
}

static int compare_pages(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* So many different pages of every object, at random. */
static void memory_change(struct bench *b)
{
	b->changed_count = 0;
	for (uint64_t object = 0; object < b->pages; object += OBJECT_PAGES) {
		uint16_t places[OBJECT_PAGES];

		for (uint16_t i = 0; i < OBJECT_PAGES; i++)
			places[i] = i;
		for (uint64_t i = 0; i < options.per_object; i++) {
			uint64_t other = i + next_random(b) % (OBJECT_PAGES - i);
			uint16_t place = places[other];

			places[other] = places[i];
			places[i] = place;
			b->changed[b->changed_count++] = object + place;
			page_fill(b, object + place);
		}
	}
	qsort(b->changed, b->changed_count, sizeof(*b->changed), compare_pages);
}

struct times {
	int64_t expect_us;
	int64_t pages_us; /* from the first page to the last one handed over */
	int64_t total_us; /* all of it, until the commit returned */
	int64_t forget_us;
};

static int hand_over(struct bench *b, bool all, struct fault *f)
{
	int r = 0;

	if (all)
		for (uint64_t page = 0; r >= 0 && page < b->pages; page++)
			r = image_add_page(b->image, page, page_at(b, page), f);
	else
		for (uint64_t i = 0; r >= 0 && i < b->changed_count; i++)
			r = image_add_page(b->image, b->changed[i], page_at(b, b->changed[i]), f);
	return r;
}

static int checkpoint(struct bench *b, bool all, struct times *t, const struct manifest **m,
		      struct fault *f)
{
	static const uint8_t devices[65536] = {1};
	int64_t start = clock_us(CLOCK_MONOTONIC);
	int r = image_expect(b->image, layout_bytes(&b->layout), f);

	t->expect_us = clock_us(CLOCK_MONOTONIC) - start;
	if (r >= 0)
		r = image_begin(b->image, &b->layout, writes_buffers(b->writes), f);
	if (r >= 0)
		r = hand_over(b, all, f);
	t->pages_us = clock_us(CLOCK_MONOTONIC) - start;
	if (r >= 0)
		r = image_end(b->image, devices, sizeof(devices), f);
	int written = writes_wait(b->writes);
	if (r >= 0 && written < 0)
		r = fault_errno(f, written, "write a segment");
	if (r >= 0)
		r = image_commit(b->image, &(struct checkpoint_facts){wall_ms(), 0, "none"}, m, f);
	t->total_us = clock_us(CLOCK_MONOTONIC) - start;
	return r;
}

static void print_times(const char *way, uint64_t number, const struct times *t)
{
	printf("{\"way\": \"%s\", \"checkpoint\": %" PRIu64 ", \"expect_ms\": %.3f, "
	       "\"pages_ms\": %.3f, \"total_ms\": %.3f, \"forget_ms\": %.3f",
	       way, number, t->expect_us / 1e3, t->pages_us / 1e3, t->total_us / 1e3,
	       t->forget_us / 1e3);
}

static int image_round(struct bench *b, bool all, struct fault *f)
{
	struct times t = {0};
	const struct manifest *m;

	if (checkpoint(b, all, &t, &m, f) < 0)
		return f->code;
	b->number = m->id.number;
	uint64_t changed = m->pages_changed, written = m->pages_written, moved = m->pages_moved;
	uint64_t bytes = m->bytes_written;
	int64_t start = clock_us(CLOCK_MONOTONIC);
	if (b->number > options.keep && image_delete(b->image, b->number - options.keep, f) < 0)
		return f->code;
	t.forget_us = clock_us(CLOCK_MONOTONIC) - start;
	print_times(all ? "all" : "changed", b->number, &t);
	printf(", \"pages_changed\": %" PRIu64 ", \"pages_written\": %" PRIu64
	       ", \"pages_moved\": %" PRIu64 ", \"bytes_written\": %" PRIu64
	       ", \"store_writes\": %" PRIu64 "}\n",
	       changed, written, moved, bytes, writes_count(b->writes));
	return 0;
}

static int flat_write_changed(struct bench *b, struct fault *f)
{
	int r = 0;

	if (!b->flat_number) /* the first one: whole objects */
		for (uint64_t page = 0; r >= 0 && page < b->pages; page += OBJECT_PAGES)
			r = flat_write(b->flat, page * PAGE_BYTES, page_at(b, page),
				       STORE_SEGMENT_BYTES, f);
	else
		for (uint64_t i = 0; r >= 0 && i < b->changed_count; i++)
			r = flat_write(b->flat, b->changed[i] * PAGE_BYTES,
				       page_at(b, b->changed[i]), PAGE_BYTES, f);
	return r;
}

static int flat_round(struct bench *b, struct fault *f)
{
	struct times t = {0};
	int64_t start = clock_us(CLOCK_MONOTONIC);
	int r = flat_write_changed(b, f);

	t.pages_us = clock_us(CLOCK_MONOTONIC) - start;
	if (r >= 0)
		r = flat_commit(b->flat, ++b->flat_number, f);
	t.total_us = clock_us(CLOCK_MONOTONIC) - start;
	start = clock_us(CLOCK_MONOTONIC);
	if (r >= 0 && b->flat_number > options.keep)
		r = flat_forget(b->flat, b->flat_number - options.keep, f);
	t.forget_us = clock_us(CLOCK_MONOTONIC) - start;
	if (r < 0)
		return r;
	print_times("flat", b->flat_number, &t);
	printf(", \"pages_changed\": %" PRIu64 "}\n",
	       b->flat_number == 1 ? b->pages : b->changed_count);
	return 0;
}

/*
 * Every way takes the first checkpoint of all pages; then each round changes pages once, and both
 * sides get them. Odd rounds go backwards, so that neither is always first.
 */
static int run(struct bench *b, struct fault *f)
{
	size_t count = strlen(options.ways);

	for (uint64_t round = 0; round < options.checkpoints; round++) {
		if (round)
			memory_change(b);
		for (size_t i = 0; i < count; i++) {
			char way = options.ways[round % 2 ? count - 1 - i : i];
			int r = way == 'f' ? flat_round(b, f)
					   : image_round(b, way == 'a' || !b->number, f);

			if (r < 0)
				return r;
			fflush(stdout);
		}
	}
	return 0;
}

static int memory_make(struct bench *b, struct fault *f)
{
	uint64_t bytes = options.ram_mib << 20;

	b->pages = bytes / PAGE_BYTES;
	b->random = 0x2545f4914f6cdd1dULL;
	b->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b->changed = calloc(b->pages, sizeof(*b->changed));
	if (b->memory == MAP_FAILED || !b->changed)
		return fault_errno(f, -ENOMEM, "make %" PRIu64 " MiB of memory", options.ram_mib);
	for (uint64_t page = 0; page < b->pages; page++)
		page_fill(b, page);
	b->layout.page_bytes = PAGE_BYTES;
	b->layout.ram_section_id = 2;
	snprintf(b->layout.machine, sizeof(b->layout.machine), "none");
	return layout_add_block(&b->layout, "pc.ram", bytes, f);
}

static int open_all(struct bench *b, struct fault *f)
{
	int r = 0;

	if (strpbrk(options.ways, "ac")) {
		r = store_open(options.store, &b->store, f);
		if (r >= 0)
			r = image_open(b->store, options.name, &b->image, f);
		if (r >= 0)
			r = writes_new(image_store(b->image), (unsigned)options.in_flight,
				       &b->writes, f);
	}
	if (r >= 0 && strchr(options.ways, 'f'))
		r = flat_open(&(struct flat_place){options.conf, options.pool, options.name},
			      options.ram_mib << 20, (unsigned)options.in_flight, &b->flat, f);
	return r;
}

static void close_all(struct bench *b)
{
	flat_close(b->flat);
	writes_free(b->writes);
	image_close(b->image);
	store_close(b->store);
	layout_clear(&b->layout);
	free(b->changed);
}

static void options_read(int argc, char **argv)
{
	static const struct option names[] = {{"store", 1, NULL, 's'},
					      {"name", 1, NULL, 'n'},
					      {"ways", 1, NULL, 'w'},
					      {"conf", 1, NULL, 'c'},
					      {"pool", 1, NULL, 'p'},
					      {"ram", 1, NULL, 'r'},
					      {"per-object", 1, NULL, 'o'},
					      {"checkpoints", 1, NULL, 't'},
					      {"keep", 1, NULL, 'k'},
					      {"in-flight", 1, NULL, 'i'},
					      {0}};
	const char **texts[] = {
		['s'] = &options.store, ['n'] = &options.name, ['w'] = &options.ways,
		['c'] = &options.conf,	['p'] = &options.pool, ['z'] = NULL};
	uint64_t *numbers[] = {
		['r'] = &options.ram_mib, ['o'] = &options.per_object, ['t'] = &options.checkpoints,
		['k'] = &options.keep,	  ['i'] = &options.in_flight,  ['z'] = NULL};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == '?')
			exit(2);
		if (texts[option])
			*texts[option] = optarg;
		else
			*numbers[option] = strtoull(optarg, NULL, 10);
	}
	bool sound = options.ram_mib && options.ram_mib % 4 == 0 && options.per_object > 0 &&
		     options.per_object <= OBJECT_PAGES && options.checkpoints && options.keep &&
		     options.in_flight && strspn(options.ways, "acf") == strlen(options.ways) &&
		     !(strchr(options.ways, 'a') && strchr(options.ways, 'c')) &&
		     (options.store || !strpbrk(options.ways, "ac"));
	if (sound)
		return;
	fprintf(stderr,
		"Usage: scatter --store URI [--ways a|c|f|af|cf] [--conf FILE --pool POOL] [--ram "
		"MIB, a multiple of 4]\n [--per-object 1…1024] [--checkpoints N] [--keep N] "
		"[--in-flight N] [--name NAME]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	struct fault f = {0};

	options_read(argc, argv);
	int r = memory_make(&b, &f);
	if (r >= 0)
		r = open_all(&b, &f);
	if (r >= 0)
		r = run(&b, &f);
	if (r < 0)
		fprintf(stderr, "scatter: %s\n", f.text);
	close_all(&b);
	return r < 0;
}
