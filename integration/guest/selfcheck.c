// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The program of the Linux guest: writes its memory as fast as it can and proves on every
 * write that the memory is still what it wrote last. It runs as /init of an initramfs
 * without kernel modules, so it must never depend on a device but the console.
 *
 *	version table:  | v0 | v1 | v2 | …             what each page must hold
 *	pages:          | f(0,v0,·) | f(1,v1,·) | …    512 words of (page, version)
 *
 * Every writer owns a range of pages: pick one (every second in order, the others by
 * chance), verify it against the table, write version + 1. The sum of a writer's versions
 * must equal the writes that it counted, so a part of memory that is old as a whole,
 * table included, is noticed by the next full pass.
 *
 * On the console:
 *	selfcheck pages P threads T                   once, after the first writing
 *	tick N writes W pages P ok gap G              every second; G: see judge.c
 *	verify N pages P ok                           a full pass: every VERIFY ticks, or on the
 *	                                              letter v from the console
 *	BAD …                                         a wrong page; the guest powers off
 *
 * Arguments, after "--" on the kernel's command line: mib= (memory to write), threads=,
 * nodes= (spread over so many NUMA nodes), rate= (writes a second and thread, 0: no limit),
 * hot= (MiB that are written over and over, the rest stays as first written; 0: all),
 * verify= (ticks between full passes, 0: only when asked).
 */
#include "judge.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))
#define THREADS_MAX 64
/* Every so many versions a page is all zero: snapshots treat such pages differently. */
#define ZERO_EVERY 16

struct writer {
	pthread_t thread;
	unsigned int cpu;
	uint64_t first; /* pages [first, end) are this writer's, */
	uint64_t hot;	/* [first, hot) those that it goes on writing */
	uint64_t end;
	uint64_t next; /* of the pages taken in order */
	uint64_t random;
	struct turns turns;
	_Atomic uint64_t writes;
	_Atomic uint64_t verified; /* the last full pass done */
};

static struct {
	uint64_t mib;
	uint64_t threads;
	uint64_t nodes;
	uint64_t rate;
	uint64_t hot;
	uint64_t verify;
} options = {.mib = 64, .threads = 1, .verify = 5};

static uint64_t *memory;
static uint32_t *versions;
static uint64_t pages;
static struct writer writers[THREADS_MAX];
static _Atomic uint64_t pass_wanted;

static uint64_t word_of(uint64_t page, uint32_t version, uint64_t word)
{
	if (version % ZERO_EVERY == 0)
		return 0;
	return (page * 0x9e3779b97f4a7c15ULL ^ version * 0xc2b2ae3d27d4eb4fULL) +
	       word * 0x165667b19e3779f9ULL;
}

static void page_verify(uint64_t page)
{
	const uint64_t *words = memory + page * PAGE_WORDS;
	uint32_t version = versions[page];

	for (uint64_t i = 0; i < PAGE_WORDS; i++) {
		if (words[i] == word_of(page, version, i))
			continue;
		bad("page %llu expected %u: word %llu is %#llx", (unsigned long long)page, version,
		    (unsigned long long)i, (unsigned long long)words[i]);
	}
}

static void page_write(uint64_t page)
{
	uint64_t *words = memory + page * PAGE_WORDS;
	uint32_t version = ++versions[page];

	for (uint64_t i = 0; i < PAGE_WORDS; i++)
		words[i] = word_of(page, version, i);
}

/* The full pass of one writer: every page, and the sum of what they should hold. */
static void writer_verify(struct writer *w)
{
	uint64_t sum = 0;

	for (uint64_t page = w->first; page < w->end; page++) {
		page_verify(page);
		sum += versions[page];
	}
	if (sum != w->writes)
		bad("page %llu expected %llu: the versions from here add up to %llu",
		    (unsigned long long)w->first, (unsigned long long)w->writes,
		    (unsigned long long)sum);
}

static uint64_t writer_pick(struct writer *w)
{
	if (w->writes % 2 == 0) {
		w->next = w->next + 1 < w->hot ? w->next + 1 : w->first;
		return w->next;
	}
	return w->first + random_next(&w->random) % (w->hot - w->first);
}

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(w->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus); /* fewer CPUs than threads: runs anywhere */
	for (uint64_t page = w->first; page < w->end; page++, w->writes++)
		page_write(page);
	w->verified = 1;

	turns_begin(&w->turns, options.rate);
	for (;;) {
		uint64_t page = writer_pick(w);
		uint64_t wanted = pass_wanted;

		page_verify(page);
		page_write(page);
		w->writes++;
		turns_next(&w->turns);
		if (wanted == w->verified)
			continue;
		writer_verify(w);
		w->verified = wanted;
		turns_resume(&w->turns);
	}
	return NULL;
}

static void wait_for_writers(uint64_t pass)
{
	const struct timespec t = {.tv_nsec = 1000000};

	for (uint64_t i = 0; i < options.threads; i++)
		while (writers[i].verified != pass)
			nanosleep(&t, NULL);
}

static void writers_start(void)
{
	uint64_t hot = options.hot * (1024 * 1024 / PAGE_BYTES) / options.threads;

	pass_wanted = 1; /* what the first writing counts as */
	for (uint64_t i = 0; i < options.threads; i++) {
		struct writer *w = &writers[i];

		w->cpu = (unsigned int)i;
		w->first = w->next = pages * i / options.threads;
		w->end = pages * (i + 1) / options.threads;
		w->hot = hot && hot < w->end - w->first ? w->first + hot : w->end;
		w->random = 0x2545f4914f6cdd1dULL + i;
		if (pthread_create(&w->thread, NULL, writer_run, w))
			bad("no thread %llu", (unsigned long long)i);
	}
	wait_for_writers(1);
}

/* Memory that is spread over the nodes. */
static void *allocate_spread(size_t bytes)
{
	void *p = allocate(bytes);
	unsigned long nodes = (1UL << options.nodes) - 1;

	if (nodes && syscall(SYS_mbind, p, bytes, MPOL_INTERLEAVE, &nodes, 64UL, 0UL))
		bad("no memory on %llu nodes", (unsigned long long)options.nodes);
	return p;
}

static void options_read(int argc, char **argv)
{
	const struct word words[] = {{"mib=", &options.mib},	 {"threads=", &options.threads},
				     {"nodes=", &options.nodes}, {"rate=", &options.rate},
				     {"hot=", &options.hot},	 {"verify=", &options.verify}};

	words_read(argc, argv, words, sizeof(words) / sizeof(words[0]));
	if (!options.mib || !options.threads || options.threads > THREADS_MAX || options.nodes > 63)
		bad("arguments");
}

static void tick_print(uint64_t tick)
{
	unsigned long long writes = 0;
	long long gap_ns = 0;

	for (uint64_t i = 0; i < options.threads; i++) {
		long long gap = atomic_exchange(&writers[i].turns.gap_ns, 0);

		writes += writers[i].writes;
		gap_ns = gap > gap_ns ? gap : gap_ns;
	}
	say("tick %llu writes %llu pages %llu ok gap %lld\n", (unsigned long long)tick, writes,
	    (unsigned long long)pages, gap_ns / 1000);
}

int main(int argc, char **argv)
{
	options_read(argc, argv);
	pages = options.mib * (1024 * 1024 / PAGE_BYTES);
	versions = allocate_spread(pages * sizeof(*versions));
	memory = allocate_spread(pages * PAGE_BYTES);
	writers_start();
	say("selfcheck pages %llu threads %llu\n", (unsigned long long)pages,
	    (unsigned long long)options.threads);
	for (uint64_t tick = 1;; tick++) {
		int asked = asked_until(now_ns() + NS_PER_SECOND);

		tick_print(tick);
		if (!asked && (!options.verify || tick % options.verify))
			continue;
		wait_for_writers(++pass_wanted);
		say("verify %llu pages %llu ok\n", (unsigned long long)(pass_wanted - 1),
		    (unsigned long long)pages);
	}
}
