/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store-contract: a store that really runs, whose URI is in VMGUARD_TEST_STORE.
 *
 *	store-contract                 the contract as TAP; 77 where the variable is not set
 *	store-contract write GUEST     commits again and again until something fails
 *	store-contract persist GUEST   the same, and opens the image again after each failure
 *	store-contract open GUEST      opens for writing, once
 *	store-contract measure GUEST   MB/s and milliseconds
 *	store-contract read GUEST      reads the last checkpoint until something fails
 *	store-contract remove GUEST    removes the image
 *	store-contract check GUEST     reads all commits, whether they hold what was written
 *	store-contract protect GUEST   protects the last commit
 *	store-contract unprotect GUEST
 *	store-contract free            prints how many bytes there is room for
 *
 * With VMGUARD_TEST_KEY the images are encrypted, and its text is the key.
 *
 * All but the first print what happened and after how many milliseconds, and end with 0 where
 * nothing failed. The integration suite kills, stops and fills what they run against.
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "rbd_contract.h"

enum { IN_FLIGHT = 16, CHECKPOINT_SEGMENTS = 16, MEASURE_SEGMENTS = 128, MEASURE_COMMITS = 10 };
enum { PATTERN_BYTES = 16 };

static const char *contract_uri(void)
{
	return getenv("VMGUARD_TEST_STORE");
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Prints how long a step took. Returns `r`. */
static int report(const char *step, int r, double started_ms)
{
	printf("%-16s %5d %8.1f ms%s%s\n", step, r, now_ms() - started_ms, r < 0 ? "  " : "",
	       r < 0 ? fault.text : "");
	fflush(stdout);
	return r;
}

struct flight {
	struct store_write write;
	pthread_mutex_t *mutex; /* guards the three below, shared by all */
	pthread_cond_t *landed;
	int *flying;
	int *result;
};

static void land(struct store_write *w, int result)
{
	struct flight *flight = (struct flight *)w;
	pthread_mutex_t *mutex = flight->mutex;

	pthread_mutex_lock(mutex);
	if (result < 0)
		*flight->result = result;
	--*flight->flying;
	pthread_cond_broadcast(flight->landed);
	flight->write.done = NULL;
	pthread_mutex_unlock(mutex);
}

static struct flight *free_flight(struct flight *flights)
{
	for (size_t i = 0; i < IN_FLIGHT; i++)
		if (!flights[i].write.done)
			return &flights[i];
	return NULL;
}

/* With a text that whoever reads the objects of the pool would find. */
static void fill_segment(uint8_t data[STORE_SEGMENT_BYTES], uint8_t fill)
{
	char text[PATTERN_BYTES + 1];

	snprintf(text, sizeof(text), "vmguard test %02x\n", fill);
	for (size_t i = 0; i < STORE_SEGMENT_BYTES; i += PATTERN_BYTES)
		memcpy(data + i, text, PATTERN_BYTES);
}

/* Writes whole segments, IN_FLIGHT at once. */
static int write_segments(struct store_image *image, uint64_t count, uint8_t fill)
{
	static uint8_t data[STORE_SEGMENT_BYTES];
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t landed = PTHREAD_COND_INITIALIZER;
	int flying = 0, result = 0;
	struct flight flights[IN_FLIGHT] = {0};

	fill_segment(data, fill);
	pthread_mutex_lock(&mutex);
	for (uint64_t i = 0; i < count && result == 0; i++) {
		while (flying == IN_FLIGHT)
			pthread_cond_wait(&landed, &mutex);
		struct flight *flight = free_flight(flights);
		*flight = (struct flight){
			{.segment = i, .data = data, .bytes = sizeof(data), .done = land},
			&mutex,
			&landed,
			&flying,
			&result};
		flying++;
		pthread_mutex_unlock(&mutex);
		store_write(image, &flight->write);
		pthread_mutex_lock(&mutex);
	}
	while (flying > 0)
		pthread_cond_wait(&landed, &mutex);
	pthread_mutex_unlock(&mutex);
	if (result < 0)
		fault_errno(&fault, result, "a write failed");
	return result;
}

static int next_id(struct store_image *image, struct checkpoint_id *id)
{
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_checkpoints(image, &ids, &count, &fault);

	*id = (struct checkpoint_id){1, 1};
	if (r == 0 && count > 0)
		*id = (struct checkpoint_id){ids[count - 1].epoch, ids[count - 1].number + 1};
	return r;
}

/* One checkpoint; keeps the last two. */
static int write_checkpoint(struct store_image *image)
{
	struct checkpoint_id id;
	double started_ms = now_ms();
	int r = next_id(image, &id);

	if (r < 0)
		return report("list", r, started_ms);
	r = write_segments(image, CHECKPOINT_SEGMENTS, (uint8_t)id.number);
	report("write", r, started_ms);
	if (r < 0)
		return r;
	started_ms = now_ms();
	r = report("commit", store_commit(image, id, &fault), started_ms);
	if (r < 0 || id.number < 3)
		return r;
	started_ms = now_ms();
	id.number -= 2;
	r = report("remove", store_remove(image, id, &fault), started_ms);
	return r == -EBUSY ? 0 : r; /* a protected one stays */
}

static int write_until_it_fails(struct store_image *image)
{
	int r;

	do
		r = write_checkpoint(image);
	while (r == 0 || r == -ENOENT);
	return r;
}

static int read_segments(struct store *s, const char *guest, struct checkpoint_id id)
{
	static uint8_t data[STORE_SEGMENT_BYTES];
	auto_of(store_image_close) struct store_image *reader = NULL;
	double started_ms = now_ms();
	int r = store_image_open(s, guest, STORE_READ, &id, &reader, &fault);

	report("open to read", r, started_ms);
	started_ms = now_ms();
	for (uint64_t i = 0; r == 0 && i < MEASURE_SEGMENTS; i++)
		r = store_read(reader, i, 0, data, sizeof(data), &fault);
	double ms = now_ms() - started_ms;
	printf("read             %8.0f MB/s, one at a time\n",
	       MEASURE_SEGMENTS * STORE_SEGMENT_BYTES / ms / 1e3);
	started_ms = now_ms();
	for (uint64_t i = 0; r == 0 && i < MEASURE_SEGMENTS; i++)
		r = store_read(reader, i, 8192, data, 4096, &fault);
	printf("read a page      %8.2f ms\n", (now_ms() - started_ms) / MEASURE_SEGMENTS);
	return r;
}

static int find_last(struct store *s, const char *guest, struct checkpoint_id *id)
{
	auto_of(store_image_close) struct store_image *list = NULL;
	int r = store_image_open(s, guest, STORE_READ, NULL, &list, &fault);

	if (r == 0)
		r = next_id(list, id);
	id->number--;
	return r;
}

static int check_commit(struct store *s, const char *guest, struct checkpoint_id id)
{
	static uint8_t data[STORE_SEGMENT_BYTES], wanted[STORE_SEGMENT_BYTES];
	auto_of(store_image_close) struct store_image *reader = NULL;
	int r = store_image_open(s, guest, STORE_READ, &id, &reader, &fault);

	fill_segment(wanted, (uint8_t)id.number);
	for (uint64_t i = 0; r == 0 && i < CHECKPOINT_SEGMENTS; i++) {
		r = store_read(reader, i, 0, data, sizeof(data), &fault);
		if (r == 0 && memcmp(data, wanted, sizeof(data)))
			r = fault_set(&fault, -EBADMSG,
				      "segment %" PRIu64 " of %" PRIu64 " is not what was written",
				      i, id.number);
	}
	return r;
}

static int check_commits(struct store *s, const char *guest)
{
	auto_of(store_image_close) struct store_image *list = NULL;
	auto_free struct checkpoint_id *ids = NULL;
	double started_ms = now_ms();
	size_t count = 0;
	int r = store_image_open(s, guest, STORE_READ, NULL, &list, &fault);

	if (r == 0)
		r = store_checkpoints(list, &ids, &count, &fault);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = check_commit(s, guest, ids[i]);
	report("check", r, started_ms);
	if (r == 0)
		printf("%zu commits, the last is %" PRIu64 "\n", count,
		       count ? ids[count - 1].number : 0);
	return r;
}

static int read_until_it_fails(struct store *s, const char *guest)
{
	static uint8_t page[4096];
	struct checkpoint_id id = {0};
	struct store_image *reader = NULL;
	double started_ms = now_ms();
	int r = find_last(s, guest, &id);

	if (r == 0)
		r = store_image_open(s, guest, STORE_READ, &id, &reader, &fault);
	if (report("open to read", r, started_ms) < 0)
		return r;
	for (uint64_t i = 0; r == 0; i = (i + 1) % 16) {
		started_ms = now_ms();
		r = store_read(reader, i, 4096, page, sizeof(page), &fault);
	}
	report("read", r, started_ms);
	started_ms = now_ms();
	store_image_close(reader);
	report("close image", 0, started_ms);
	return r;
}

static int measure(struct store *s, struct store_image *image, const char *guest)
{
	struct checkpoint_id id = {0};
	double started_ms = now_ms();
	int r = write_segments(image, MEASURE_SEGMENTS, 'm');
	double ms = now_ms() - started_ms;

	if (r < 0)
		return report("write", r, started_ms);
	printf("write            %8.0f MB/s, %d segments, %d in flight\n",
	       MEASURE_SEGMENTS * STORE_SEGMENT_BYTES / ms / 1e3, MEASURE_SEGMENTS, IN_FLIGHT);
	for (int i = 0; r == 0 && i < MEASURE_COMMITS; i++) {
		r = write_segments(image, 8, (uint8_t)i);
		if (r == 0)
			r = next_id(image, &id);
		started_ms = now_ms();
		if (r == 0)
			r = report("commit", store_commit(image, id, &fault), started_ms);
	}
	if (r == 0)
		r = read_segments(s, guest, id);
	started_ms = now_ms();
	if (r == 0)
		r = report("remove", store_remove(image, id, &fault), started_ms);
	started_ms = now_ms();
	if (r == 0)
		r = report("discard all", store_discard(image, 0, UINT64_MAX, &fault), started_ms);
	return r;
}

static int run_once(struct store *s, const char *verb, const char *guest)
{
	struct store_image *image;
	double started_ms = now_ms();
	int r = store_image_open(s, guest, STORE_WRITE, NULL, &image, &fault);

	if (report("open to write", r, started_ms) < 0)
		return r;
	started_ms = now_ms();
	r = store_reserve(image, MEASURE_SEGMENTS, &fault);
	report("reserve", r, started_ms);
	if (r == 0 && (!strcmp(verb, "write") || !strcmp(verb, "persist")))
		r = write_until_it_fails(image);
	else if (r == 0 && !strcmp(verb, "measure"))
		r = measure(s, image, guest);
	started_ms = now_ms();
	store_image_close(image);
	report("close image", 0, started_ms);
	return r;
}

static int run_verb(struct store *s, const char *verb, const char *guest)
{
	int r;

	do
		r = run_once(s, verb, guest);
	while (!strcmp(verb, "persist"));
	return r;
}

static int remove_image(struct store *s, const char *guest)
{
	double started_ms = now_ms();

	return report("remove image", store_image_remove(s, guest, &fault), started_ms);
}

static int protect_last(struct store *s, const char *guest, bool on)
{
	struct checkpoint_id id = {0};
	double started_ms = now_ms();
	int r = find_last(s, guest, &id);

	if (r == 0)
		r = store_protect(s, guest, id, on, &fault);
	return report(on ? "protect" : "unprotect", r, started_ms);
}

static int print_free(struct store *s)
{
	double started_ms = now_ms();
	uint64_t bytes = 0;
	int r = report("free", store_free_bytes(s, &bytes, &fault), started_ms);

	if (r == 0)
		printf("%" PRIu64 "\n", bytes);
	return r;
}

static int run(const char *verb, const char *guest)
{
	struct store *s;
	double started_ms = now_ms();
	int r = store_open(contract_uri(), &s, &fault);

	if (report("open store", r, started_ms) < 0)
		return EXIT_FAILURE;
	if (getenv("VMGUARD_TEST_KEY"))
		use_key(s, getenv("VMGUARD_TEST_KEY"), true);
	if (!strcmp(verb, "remove"))
		r = remove_image(s, guest);
	else if (!strcmp(verb, "check"))
		r = check_commits(s, guest);
	else if (!strcmp(verb, "protect") || !strcmp(verb, "unprotect"))
		r = protect_last(s, guest, !strcmp(verb, "protect"));
	else if (!strcmp(verb, "free"))
		r = print_free(s);
	else if (!strcmp(verb, "read"))
		r = read_until_it_fails(s, guest);
	else
		r = run_verb(s, verb, guest);
	started_ms = now_ms();
	keyed_close(s);
	report("close store", 0, started_ms);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const TTest *const cases[] = {CONTRACT_CASES, RBD_CASES};

	if (!contract_uri()) {
		printf("1..0 # SKIP VMGUARD_TEST_STORE names no store to test\n");
		return 77;
	}
	if (argc == 2 || argc == 3)
		return run(argv[1], argv[argc - 1]);
	return unit_run("store", cases, sizeof(cases) / sizeof(cases[0]));
}
