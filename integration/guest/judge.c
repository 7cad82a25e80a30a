// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the programs of the Linux guests have in common; see judge.h. It must never depend on a
 * device but the console.
 */
#include "judge.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static void print(const char *line)
{
	size_t length = strlen(line);

	if (write(STDOUT_FILENO, line, length) != (ssize_t)length)
		abort();
}

void say(const char *format, ...)
{
	char line[200];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	print(line);
}

void bad(const char *format, ...)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	char text[200], line[210];
	va_list args;

	while (atomic_flag_test_and_set(&said))
		pause(); /* what others see while it powers off is no finding */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "BAD %s\n", text);
	print(line);
	fsync(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

void *allocate(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bad("no memory: %zu bytes", bytes);
	return p;
}

uint64_t random_next(uint64_t *random)
{
	uint64_t x = *random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *random = x;
}

void words_read(int argc, char **argv, const struct word *words, size_t count)
{
	for (int i = 1; i < argc; i++)
		for (size_t n = 0; n < count; n++)
			if (!strncmp(argv[i], words[n].name, strlen(words[n].name)))
				*words[n].value =
					strtoull(argv[i] + strlen(words[n].name), NULL, 10);
}

void turns_begin(struct turns *t, uint64_t rate)
{
	t->rate = rate;
	t->start_ns = t->last_ns = now_ns();
}

/* Sleeps where the writer is ahead of its rate; does not count as a gap. */
static void turns_pace(struct turns *t)
{
	int64_t due_ns = t->start_ns + (int64_t)(t->count * (uint64_t)NS_PER_SECOND / t->rate);
	struct timespec due = {.tv_sec = due_ns / NS_PER_SECOND, .tv_nsec = due_ns % NS_PER_SECOND};

	if (due_ns < now_ns() + 1000000)
		return;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	turns_resume(t);
}

/*
 * The time from one turn of a writer to its next is time in which its vCPU did not run it:
 * a stall on a write fault is seen here, and a disk that does not answer.
 */
void turns_next(struct turns *t)
{
	int64_t now = now_ns();
	int64_t gap = now - t->last_ns;

	if (gap > t->gap_ns)
		t->gap_ns = gap;
	t->last_ns = now;
	t->count++;
	if (t->rate)
		turns_pace(t);
}

void turns_resume(struct turns *t)
{
	t->last_ns = now_ns();
}

int asked_until(int64_t due_ns)
{
	struct pollfd console = {.fd = STDIN_FILENO, .events = POLLIN};
	int64_t left_ns;
	int asked = 0;
	char letter;

	while ((left_ns = due_ns - now_ns()) > 0) {
		if (poll(&console, 1, (int)(left_ns / 1000000) + 1) < 1)
			continue;
		if (read(STDIN_FILENO, &letter, 1) == 1)
			asked |= letter == 'v';
		else
			console.fd = -1; /* nobody can ask any more: only wait */
	}
	return asked;
}
