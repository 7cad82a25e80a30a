/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a page service begins, ends, fails and goes on after one that died. */
#include "restore/scene.h"

static const uint32_t blocks[] = {1500, 30, 3}; /* in two segments of the store */

static void begin(void)
{
	guest_begin(blocks, 3);
	guest_checkpoint();
	guest_open();
}

START_TEST(sends_each_page_once_and_no_zero_page)
{
	begin();
	scene_run((struct page_service_options){0});
	scene_push();
	scene_complete();
	ck_assert_uint_eq(peer.count, guest.stored);
	guest_end();
}
END_TEST

START_TEST(knows_how_far_it_is)
{
	struct page_figures figures;

	begin();
	scene_run((struct page_service_options){0});
	page_service_figures(scene.service, &figures);
	ck_assert_uint_eq(figures.pages, guest.stored);
	ck_assert_uint_eq(figures.sent, 0);
	ck_assert(!figures.over && !figures.first_demand_ms);
	scene_push();
	WAIT_UNTIL(peer.count == guest.stored);
	do
		page_service_figures(scene.service, &figures);
	while (figures.sent < guest.stored);
	ck_assert_uint_eq(figures.sent, guest.stored);
	ck_assert_uint_gt(figures.bytes_sent, guest.stored * PAGE);
	ck_assert(!figures.over);
	scene_complete();
	guest_end();
}
END_TEST

START_TEST(sends_no_end_while_a_page_is_missing)
{
	begin();
	scene_run((struct page_service_options){0});
	reads_will(1, 0);
	scene_push();
	scene_finish();
	WAIT_UNTIL(peer.count > 0);
	wait_for_reads(&reads.held, 1);
	sleep_us(150000);
	ck_assert_uint_lt(NOW(peer.count), guest.stored);
	ck_assert(!NOW(peer.ended));
	reads_let_go();
	WAIT_UNTIL(peer.ended);
	ck_assert_uint_eq(NOW(peer.count), guest.stored);
	scene_shut();
	guest_end();
}
END_TEST

START_TEST(waits_while_the_store_is_away)
{
	begin();
	scene_run((struct page_service_options){0});
	reads_will(0, 5);
	ask(1, 1);
	WAIT_UNTIL(peer.got[1]);
	scene_push();
	scene_complete();
	ck_assert_uint_eq(reads.failed, 5);
	guest_end();
}
END_TEST

START_TEST(gives_up_a_store_that_stays_away)
{
	begin();
	for (int pushes = 0; pushes < 2; pushes++) {
		scene_run((struct page_service_options){.store_wait_ms = 100});
		reads_will(0, MANY);
		if (pushes)
			scene_push();
		else
			ask(1, 1);
		scene_finish();
		must_fail(-EIO, "the store is away");
		reads_will(0, 0);
	}
	guest_end();
}
END_TEST

START_TEST(never_sends_a_damaged_page)
{
	begin();
	for (int pushes = 0; pushes < 2; pushes++) {
		scene_run((struct page_service_options){0});
		reads.damaged_page = 777;
		if (pushes)
			scene_push();
		else
			ask(777, 1);
		scene_finish();
		must_fail(-EBADMSG, "page pc.ram+0x309000 in segment");
		ck_assert(!peer.got[777]);
	}
	guest_end();
}
END_TEST

START_TEST(stops_when_it_is_told_to)
{
	static const int stop = 1;

	begin();
	scene_run((struct page_service_options){.stop = &stop, .max_rate = 1});
	scene_push();
	scene_finish();
	must_fail(-ECANCELED, "stopped");
	guest_end();
}
END_TEST

START_TEST(tells_that_qemu_could_not_load_it)
{
	begin();
	scene_run((struct page_service_options){0});
	SAY(SHUT("\1"));
	scene_finish();
	must_fail(-EREMOTEIO, "status 1");
	guest_end();
}
END_TEST

/* It can only be wrong, and would be a guest with pages lost. */
START_TEST(does_not_believe_in_an_end_before_the_end)
{
	begin();
	scene_run((struct page_service_options){0});
	SAY(SHUT("\0"));
	scene_finish();
	must_fail(-EPROTO, "before it was sent all");
	guest_end();
}
END_TEST

START_TEST(tells_that_qemu_is_gone)
{
	begin();
	scene_run((struct page_service_options){0});
	shutdown(peer.main.fd, SHUT_RDWR);
	scene_finish();
	must_fail(-ECONNRESET, "closed the stream");
	scene_run((struct page_service_options){0});
	scene_push();
	WAIT_UNTIL(peer.count > 100);
	shutdown(peer.main.fd, SHUT_RDWR);
	scene_finish();
	int r = scene_finished();
	ck_assert_msg(r == -ECONNRESET || r == -EPIPE, "%d: %s", r, scene.fault.text);
	guest_end();
}
END_TEST

START_TEST(refuses_what_qemu_never_says)
{
	begin();
	scene_run((struct page_service_options){0});
	SAY("\0\x2a\0\0");
	scene_finish();
	must_fail(-EOPNOTSUPP, "return path at 4: a message of type 42");
	scene_run((struct page_service_options){0});
	SAY("\0\3\0\x13\0\0\0\0\0\x5d\xc0\0\0\0\x10\0\6pc.ram");
	scene_finish();
	must_fail(-EBADMSG, "a request for 4096 bytes at 0x5dc000 of pc.ram");
	guest_end();
}
END_TEST

/* ---- after one that died ----------------------------------------------------------------- */

/* A source that sends some pages, zero ones among them, and is closed. */
static void die_after_some(bool preempt)
{
	scene_run((struct page_service_options){.preempt_fd = preempt});
	ask(0, 7);
	ask(1501, 1);
	WAIT_UNTIL(peer.got[6] && peer.got[1501]);
	scene_close();
}

START_TEST(sends_only_what_is_missing)
{
	struct page_figures figures;

	begin();
	for (int preempt = 0; preempt < 2; preempt++) {
		die_after_some(preempt);
		uint64_t stored = 0;
		for (uint64_t page = 0; page < guest.layout.pages; page++)
			stored += peer.got[page] && guest.fills[page];
		scene_open((struct page_service_options){.preempt_fd = preempt, .resume = true});
		ASSERT_OK(page_service_resume(scene.service, &fault));
		ck_assert(NOW(peer.resumed));
		page_service_figures(scene.service, &figures);
		ck_assert_uint_eq(figures.sent, stored);
		ask(5, 1);
		ask(700, 1);
		WAIT_UNTIL(peer.got[700]);
		scene_push();
		scene_complete();
		ck_assert_uint_eq(peer.count, guest.stored - stored + 1); /* page 700 */
	}
	guest_end();
}
END_TEST

START_TEST(waits_until_qemu_has_resumed)
{
	begin();
	die_after_some(false);
	peer.dies_at_resume = true;
	scene_open((struct page_service_options){.resume = true});
	ck_assert_int_eq(page_service_resume(scene.service, &fault), -ECONNRESET);
	scene_close();
	ck_assert(peer.resumed);
	peer.dies_at_resume = false;
	guest_end();
}
END_TEST

UNIT_MAIN("pages", sends_each_page_once_and_no_zero_page, knows_how_far_it_is,
	  sends_no_end_while_a_page_is_missing, waits_while_the_store_is_away,
	  gives_up_a_store_that_stays_away, never_sends_a_damaged_page, stops_when_it_is_told_to,
	  tells_that_qemu_could_not_load_it, does_not_believe_in_an_end_before_the_end,
	  tells_that_qemu_is_gone, refuses_what_qemu_never_says, sends_only_what_is_missing,
	  waits_until_qemu_has_resumed)
