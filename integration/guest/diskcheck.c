// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The program of the disk guest: writes its disks and proves on every write that they are still
 * what it wrote last, of which it keeps a copy in memory. So disks and memory that are not from
 * the same instant are found, whichever of them is older.
 *
 *	version table:    | v0 | v1 | v2 | …         what each block must hold,
 *	memory and disk:  | f(0,v0) | f(1,v1) | …    here and there
 *
 * A thread for each disk: pick a block (every second in order, the others by chance), read it
 * and compare, write version + 1. The memory that a disk is held against is written as often as
 * the disk, so it changes all the time too.
 *
 * On the console, in the form of selfcheck.c:
 *	diskcheck blocks B disks D                    once, after the first writing
 *	tick N writes W blocks B ok gap G             every second; G: the longest that a write of
 *	                                              any disk took, in microseconds
 *	verify N blocks B ok                          a full pass: every VERIFY ticks, or on the
 *	                                              letter v from the console
 *	BAD disk D block B expected V: …              a disagreement; the guest powers off
 *
 * Arguments, after "--" on the kernel's command line: disks= (1 to 3), mib= (of each disk, from its
 * beginning), rate= (writes a second and disk, 0: no limit), verify= (ticks between full passes,
 * 0: only when asked), ext4= (1: the last disk has an ext4, and is written through it; mib= is
 * then the file's greatest size).
 */
#include "diskcheck.h"

#include <stdatomic.h>
#include <time.h>

#define DISKS_MAX 3

static struct {
	uint64_t disks;
	uint64_t mib;
	uint64_t rate;
	uint64_t verify;
	uint64_t ext4;
} options = {.disks = 1, .mib = 16, .verify = 5};

static struct disk disks[DISKS_MAX];
static uint64_t blocks;
static _Atomic uint64_t pass_wanted;

static void *disk_run(void *arg)
{
	struct disk *d = arg;

	d->kind->begin(d);
	d->verified = 1;
	turns_begin(&d->turns, options.rate);
	for (;;) {
		uint64_t wanted = pass_wanted;

		d->kind->turn(d);
		turns_next(&d->turns);
		if (wanted == d->verified)
			continue;
		d->kind->verify(d);
		d->verified = wanted;
		turns_resume(&d->turns);
	}
	return NULL;
}

static void wait_for_disks(uint64_t pass)
{
	const struct timespec t = {.tv_nsec = 1000000};

	for (uint64_t i = 0; i < options.disks; i++)
		while (disks[i].verified != pass)
			nanosleep(&t, NULL);
}

static void disks_start(void)
{
	pass_wanted = 1; /* what the first writing counts as */
	for (uint64_t i = 0; i < options.disks; i++) {
		struct disk *d = &disks[i];

		d->kind = options.ext4 && i == options.disks - 1 ? &records_kind : &blocks_kind;
		d->number = (unsigned int)i;
		d->blocks = blocks;
		d->random = 0x2545f4914f6cdd1dULL + i;
		d->versions = allocate(blocks * sizeof(*d->versions));
		d->memory = allocate(blocks * BLOCK_BYTES);
		d->read = allocate(CHUNK_BLOCKS * BLOCK_BYTES);
		if (pthread_create(&d->thread, NULL, disk_run, d))
			bad("no thread for disk %u", d->number);
	}
	wait_for_disks(1);
}

static void options_read(int argc, char **argv)
{
	const struct word words[] = {{"disks=", &options.disks},
				     {"mib=", &options.mib},
				     {"rate=", &options.rate},
				     {"verify=", &options.verify},
				     {"ext4=", &options.ext4}};

	words_read(argc, argv, words, sizeof(words) / sizeof(words[0]));
	if (!options.disks || options.disks > DISKS_MAX || !options.mib)
		bad("arguments");
}

static void tick_print(uint64_t tick)
{
	unsigned long long writes = 0;
	long long gap_ns = 0;

	for (uint64_t i = 0; i < options.disks; i++) {
		long long gap = atomic_exchange(&disks[i].turns.gap_ns, 0);

		writes += disks[i].writes;
		gap_ns = gap > gap_ns ? gap : gap_ns;
	}
	say("tick %llu writes %llu blocks %llu ok gap %lld\n", (unsigned long long)tick, writes,
	    (unsigned long long)blocks, gap_ns / 1000);
}

int main(int argc, char **argv)
{
	options_read(argc, argv);
	blocks = options.mib * (1024 * 1024 / BLOCK_BYTES);
	disks_start();
	say("diskcheck blocks %llu disks %llu\n", (unsigned long long)blocks,
	    (unsigned long long)options.disks);
	for (uint64_t tick = 1;; tick++) {
		int asked = asked_until(now_ns() + NS_PER_SECOND);

		tick_print(tick);
		if (!asked && (!options.verify || tick % options.verify))
			continue;
		wait_for_disks(++pass_wanted);
		say("verify %llu blocks %llu ok\n", (unsigned long long)(pass_wanted - 1),
		    (unsigned long long)blocks);
	}
}
