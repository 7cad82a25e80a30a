/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that the guest asks for, beside those that come by themselves. */
#include "restore/scene.h"

enum { ASKERS = 4, CAMPAIGN = 24 };

static const uint32_t blocks[] = {1500, 30, 3}; /* in two segments of the store */

static void begin(void)
{
	guest_begin(blocks, 3);
	guest_checkpoint();
	guest_open();
}

/* The background has read all it may and waits; then the page comes, and the rest behind it. */
static void must_go_first(bool preempt)
{
	scene_run((struct page_service_options){.preempt_fd = preempt});
	reads_will(1, 0);
	ask(1, 1);
	wait_for_reads(&reads.held, 1);
	unsigned before = reads_so_far();
	scene_push();
	wait_for_reads(&reads.reads, before + 5); /* 1200 and some pages, in pieces of 256 */
	sleep_us(20000);
	ck_assert_uint_eq(NOW(peer.count), 0);
	reads_let_go();
	WAIT_UNTIL(peer.got[1]);
	scene_complete();
}

START_TEST(sends_what_is_asked_for_before_all_else)
{
	begin();
	must_go_first(false);
	ck_assert_uint_eq(peer.arrivals[0].page, 1);
	guest_end();
}
END_TEST

START_TEST(sends_it_on_the_second_channel_where_there_is_one)
{
	begin();
	must_go_first(true);
	for (uint64_t i = 0; i < peer.count; i++)
		ck_assert_int_eq(peer.arrivals[i].urgent, peer.arrivals[i].page == 1);
	guest_end();
}
END_TEST

START_TEST(sends_a_zero_page_that_is_asked_for)
{
	struct page_figures figures;

	begin();
	for (int preempt = 0; preempt < 2; preempt++) {
		scene_run((struct page_service_options){.preempt_fd = preempt});
		for (int times = 0; times < 3; times++)
			ask(5, 1);
		WAIT_UNTIL(peer.got[5]);
		ck_assert_uint_eq(NOW(peer.count), 1);
		scene_push();
		scene_finish();
		WAIT_UNTIL(peer.ended);
		page_service_figures(scene.service, &figures);
		ck_assert_uint_eq(figures.demanded, 1);
		ck_assert_uint_eq(figures.sent, guest.stored);
		scene_shut();
	}
	guest_end();
}
END_TEST

/* What lies around it, of its block and not zero, follows; nothing else does. */
START_TEST(sends_the_neighbours_too)
{
	begin();
	scene_run((struct page_service_options){0});
	ask(1501, 1); /* from 1500 on it is another block, and every fifth page is zero */
	WAIT_UNTIL(peer.count == 3);
	ck_assert_uint_eq(NOW(peer.arrivals[0].page), 1501);
	ck_assert(NOW(peer.got[1502] && peer.got[1503]));
	scene_push();
	scene_complete();
	guest_end();
}
END_TEST

START_TEST(answers_at_the_edges_of_blocks)
{
	begin();
	for (int preempt = 0; preempt < 2; preempt++) {
		scene_run((struct page_service_options){.preempt_fd = preempt});
		for (size_t i = 0; i < 3; i++) {
			const struct ram_block *b = &guest.layout.blocks[i];
			uint64_t last = b->first_page + b->pages - 1;

			ask(b->first_page, 1);
			ask(last, 1);
			WAIT_UNTIL(peer.got[b->first_page] && peer.got[last]);
		}
		scene_push();
		scene_complete();
	}
	guest_end();
}
END_TEST

START_TEST(answers_requests_of_many_pages)
{
	begin();
	scene_run((struct page_service_options){0});
	ask(1500, 30);
	ask(40, 5);
	ask(33, 20);
	WAIT_UNTIL(peer.count >= 50);
	for (uint64_t page = 0; page < guest.layout.pages; page++)
		ck_assert_int_eq(NOW(peer.got[page]), peer.asked[page]);
	scene_push();
	scene_complete();
	guest_end();
}
END_TEST

/* ---- at a rate --------------------------------------------------------------------------- */

/* So slow that nothing more would come by itself. */
START_TEST(answers_at_once_what_the_background_is_slow_to_send)
{
	begin();
	scene_run((struct page_service_options){.max_rate = 1});
	scene_push();
	for (uint64_t page = 0; page < guest.layout.pages; page++)
		ask(page, 1);
	WAIT_UNTIL(peer.count == guest.layout.pages);
	scene_complete();
	guest_end();
}
END_TEST

START_TEST(keeps_the_background_slow)
{
	static const int stop = 1;

	begin();
	scene_run((struct page_service_options){.max_rate = 1, .stop = &stop});
	scene_push();
	WAIT_UNTIL(peer.count > 0);
	sleep_us(20000);
	scene_finish();
	must_fail(-ECANCELED, "stopped");
	ck_assert_uint_eq(peer.count, 16);
	guest_end();
}
END_TEST

START_TEST(is_no_faster_and_not_much_slower_than_its_rate)
{
	begin();
	int64_t began_ms = monotonic_ms();
	scene_run((struct page_service_options){.max_rate = 8 << 20});
	scene_push();
	scene_complete();
	int64_t expected_ms = guest.stored * PAGE * 1000 / (8 << 20);
	ck_assert_int_ge(monotonic_ms() - began_ms, expected_ms * 9 / 10);
	ck_assert_int_le(monotonic_ms() - began_ms, WAIT_LIMIT_MS);
	guest_end();
}
END_TEST

/* ---- large host pages -------------------------------------------------------------------- */

/* Of the large ones the third is zero. */
static void begin_large(void)
{
	static const uint32_t large[] = {5 * LARGE_PAGES, 40, 3};

	guest_begin(large, 3);
	guest.host_page_bytes[0] = LARGE_PAGE;
	memset(guest.fills + 2 * LARGE_PAGES, 0, LARGE_PAGES);
	guest_checkpoint();
	guest_open();
}

START_TEST(sends_host_pages_whole)
{
	begin_large();
	for (int preempt = 0; preempt < 2; preempt++) {
		scene_run((struct page_service_options){.preempt_fd = preempt});
		ask(3 * LARGE_PAGES + 7, 1);
		WAIT_UNTIL(peer.count == LARGE_PAGES);
		ask(LARGE_PAGES / 2, LARGE_PAGES); /* the end of one and the beginning of another */
		WAIT_UNTIL(peer.count == 3 * LARGE_PAGES);
		scene_push();
		scene_complete();
		ck_assert(!peer.got[2 * LARGE_PAGES]);
	}
	guest_end();
}
END_TEST

START_TEST(sends_a_zero_host_page_that_is_asked_for)
{
	begin_large();
	scene_run((struct page_service_options){0});
	scene_push();
	ask(2 * LARGE_PAGES, LARGE_PAGES);
	WAIT_UNTIL(peer.got[3 * LARGE_PAGES - 1]);
	scene_complete();
	guest_end();
}
END_TEST

START_TEST(sends_host_pages_at_the_rate_too)
{
	static const int stop = 1;

	begin_large();
	scene_run((struct page_service_options){.max_rate = 1, .stop = &stop});
	scene_push();
	WAIT_UNTIL(peer.count > 0);
	sleep_us(20000);
	scene_finish();
	must_fail(-ECANCELED, "stopped");
	ck_assert_uint_le(peer.count, LARGE_PAGES);
	guest_end();
}
END_TEST

/* ---- behind the end ---------------------------------------------------------------------- */

static void end_all(struct page_service_options o)
{
	begin();
	scene_run(o);
	scene_push();
	scene_finish();
	WAIT_UNTIL(peer.ended);
}

/* QEMU from 8.0 on waits for it before it says that it has all. */
START_TEST(answers_behind_the_end_on_the_second_channel)
{
	end_all((struct page_service_options){.preempt_fd = 1});
	ask(5, 1);
	WAIT_UNTIL(peer.got[5]);
	ck_assert(!NOW(peer.urgent_ended));
	scene_shut();
	guest_end();
}
END_TEST

START_TEST(ends_the_second_channel_where_qemu_waits_for_that)
{
	end_all((struct page_service_options){.preempt_fd = 1, .ends_preempt = true});
	WAIT_UNTIL(peer.urgent_ended);
	scene_shut();
	guest_end();
}
END_TEST

/* The peer complains of a byte behind the end. */
START_TEST(says_nothing_behind_the_end_on_the_only_channel)
{
	struct page_figures figures = {0};

	end_all((struct page_service_options){0});
	ask(5, 1);
	while (!figures.demanded)
		page_service_figures(scene.service, &figures);
	scene_shut();
	ck_assert(!peer.got[5]);
	guest_end();
}
END_TEST

/* ---- all at once ------------------------------------------------------------------------- */

static unsigned next_of(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

struct asker {
	unsigned seed;
	pthread_t thread;
};

/* A virtual CPU: it asks for the host page in which it wants to read. */
static void *ask_main(void *asker)
{
	unsigned seed = ((struct asker *)asker)->seed;

	for (int i = 0; i < 300; i++) {
		uint64_t page = next_of(&seed, guest.layout.pages);
		const struct ram_block *b = layout_block_of(&guest.layout, page);
		uint64_t unit = unit_of(b);

		ask(b->first_page + (page - b->first_page) / unit * unit, unit);
		if (!next_of(&seed, 8))
			sleep_us(200);
	}
	return NULL;
}

static void start_askers(struct asker askers[ASKERS], unsigned seed)
{
	for (unsigned i = 0; i < ASKERS; i++) {
		askers[i].seed = seed * ASKERS + i;
		pthread_create(&askers[i].thread, NULL, ask_main, &askers[i]);
	}
}

static void join_askers(const struct asker askers[ASKERS])
{
	for (int i = 0; i < ASKERS; i++)
		pthread_join(askers[i].thread, NULL);
}

static void begin_any_guest(unsigned *seed)
{
	uint32_t pages[GUEST_BLOCKS_MAX];
	size_t count = 1 + next_of(seed, GUEST_BLOCKS_MAX);
	bool large = next_of(seed, 3) == 0;

	for (size_t i = 0; i < count; i++)
		pages[i] = 1 + next_of(seed, 500);
	pages[0] = (large ? LARGE_PAGES : 300) * (1 + next_of(seed, 3));
	guest_begin(pages, count);
	if (large && count > 1) /* the last block ends within a page */
		guest.host_page_bytes[0] = LARGE_PAGE;
	for (uint64_t page = 0, zero = 0; page < guest.layout.pages; page++) {
		if (!next_of(seed, 20))
			zero = !zero;
		guest.fills[page] = zero ? 0 : 1 + next_of(seed, 250);
	}
	guest_checkpoint();
	guest_open();
}

static void serve_any(unsigned seed)
{
	struct asker askers[ASKERS];

	begin_any_guest(&seed);
	struct page_service_options o = {.preempt_fd = next_of(&seed, 2)};
	o.ends_preempt = next_of(&seed, 2);
	scene_run(o);
	reads_will(0, next_of(&seed, 2));
	if (next_of(&seed, 2)) { /* the first one dies, before the end or right there */
		start_askers(askers, seed);
		scene_push();
		sleep_us(next_of(&seed, 3000));
		scene_close();
		join_askers(askers);
		o.resume = true;
		scene_open(o);
		ASSERT_OK(page_service_resume(scene.service, &fault));
	}
	start_askers(askers, seed);
	scene_push();
	scene_finish();
	WAIT_UNTIL(peer.ended);
	join_askers(askers);
	scene_shut();
	guest_end();
}

START_TEST(serves_any_guest_whatever_it_asks_for)
{
	for (unsigned seed = 1; seed <= CAMPAIGN; seed++)
		serve_any(seed);
}
END_TEST

UNIT_MAIN("demand", sends_what_is_asked_for_before_all_else,
	  sends_it_on_the_second_channel_where_there_is_one, sends_a_zero_page_that_is_asked_for,
	  sends_the_neighbours_too, answers_at_the_edges_of_blocks, answers_requests_of_many_pages,
	  answers_at_once_what_the_background_is_slow_to_send, keeps_the_background_slow,
	  is_no_faster_and_not_much_slower_than_its_rate, sends_host_pages_whole,
	  sends_a_zero_host_page_that_is_asked_for, sends_host_pages_at_the_rate_too,
	  answers_behind_the_end_on_the_second_channel,
	  ends_the_second_channel_where_qemu_waits_for_that,
	  says_nothing_behind_the_end_on_the_only_channel, serves_any_guest_whatever_it_asks_for)
