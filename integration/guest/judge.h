// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the programs of the Linux guests have in common: they run as /init, print on the console,
 * take turns at a rate, and power the guest off when they find what they did not write.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_SECOND 1000000000LL

/* The guest's monotonic clock: it stands still while the whole machine is stopped. */
int64_t now_ns(void);

/* One write, so that lines of several threads do not mix. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* The same with "BAD " before it and a new line after it; then the guest powers off. */
__attribute__((format(printf, 1, 2), noreturn)) void bad(const char *format, ...);

/* Zeroed memory of its own, on page boundaries; never freed. */
void *allocate(size_t bytes);

/* xorshift: the same in every run. *random must not be 0. */
uint64_t random_next(uint64_t *random);

struct word {
	const char *name; /* with its "=" */
	uint64_t *value;
};

/* The arguments that begin with one of the names; all others are ignored. */
void words_read(int argc, char **argv, const struct word *words, size_t count);

/* The turns of one writer. */
struct turns {
	uint64_t rate; /* a second, 0: no limit */
	uint64_t count;
	int64_t start_ns;
	int64_t last_ns;
	_Atomic int64_t gap_ns; /* the longest between two turns since somebody took it */
};

void turns_begin(struct turns *t, uint64_t rate);

/* One turn is over: its time is taken, and it sleeps where it is ahead of the rate. */
void turns_next(struct turns *t);

/* What was done since the last turn was no turn, and its time is no gap. */
void turns_resume(struct turns *t);

/* Waits for the time given; 1 when the console asked for a full pass meanwhile (letter v). */
int asked_until(int64_t due_ns);
