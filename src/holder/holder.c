/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process by its name, its life judged from /proc; see proc(5). */
#include "vmguard/holder.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmguard/clock.h"

enum {
	STAT_BYTES = 1024,
	FLAG_EXITING = 4, /* PF_EXITING in the kernel's sched.h */
	/* A killed process ends when the kernel has taken its memory back. */
	ENDING_WAIT_MS = 10000,
	ENDING_LOOK_US = 10000,
};

struct process_stat {
	char state;
	unsigned int flags;
	long threads;
	uint64_t started;
};

static int read_stat(int64_t pid, struct process_stat *stat)
{
	char path[40], text[STAT_BYTES];

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -errno;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	/* The name stands in brackets and may hold any others. */
	const char *fields = strrchr(text, ')');
	if (!fields || sscanf(fields + 1,
			      " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			      "%*d %ld %*d %" SCNu64,
			      &stat->state, &stat->flags, &stat->threads, &stat->started) != 4)
		return -ESRCH; /* it went away between open and read */
	return 0;
}

static int read_boot(char boot[HOLDER_BOOT_BYTES])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return -errno;
	int n = fscanf(file, "%39[0-9a-f-]", boot);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

static void read_host(char host[HOLDER_HOST_BYTES])
{
	host[HOLDER_HOST_BYTES - 1] = '\0';
	if (gethostname(host, HOLDER_HOST_BYTES - 1) < 0 || !*host)
		snprintf(host, HOLDER_HOST_BYTES, "unknown");
}

static uint64_t namespace_of_self(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

int holder_of(pid_t pid, struct holder *h, struct fault *f)
{
	struct process_stat stat = {0};

	*h = (struct holder){
		.pid = pid,
		.since_s = wall_ms() / 1000,
		.pid_namespace = namespace_of_self("/proc/self/ns/pid"),
		.time_namespace = namespace_of_self("/proc/self/ns/time"),
	};
	read_host(h->host);
	int r = read_boot(h->boot);
	if (r == 0)
		r = read_stat(h->pid, &stat);
	if (r < 0)
		return fault_errno(f, r, "read in /proc who process %d is", (int)pid);
	h->started = stat.started;
	return 0;
}

bool holder_is_same(const struct holder *a, const struct holder *b)
{
	return a->pid == b->pid && a->started == b->started && !strcmp(a->boot, b->boot) &&
	       a->pid_namespace == b->pid_namespace && a->time_namespace == b->time_namespace;
}

/* Whether a process of that number there would be a process of that number here. */
static bool is_of_our_kind(const struct holder *h)
{
	char boot[HOLDER_BOOT_BYTES];

	return h->pid > 0 && h->pid_namespace && read_boot(boot) == 0 && !strcmp(boot, h->boot) &&
	       h->pid_namespace == namespace_of_self("/proc/self/ns/pid") &&
	       h->time_namespace == namespace_of_self("/proc/self/ns/time");
}

enum holder_life holder_life(const struct holder *h)
{
	struct process_stat stat = {0};

	if (!is_of_our_kind(h))
		return HOLDER_UNKNOWN;
	/* Not by /proc alone: mounted with hidepid it does not show the processes of others. */
	if (kill((pid_t)h->pid, 0) < 0 && errno == ESRCH)
		return HOLDER_DEAD;
	if (read_stat(h->pid, &stat) < 0)
		return HOLDER_UNKNOWN;
	if (stat.started != h->started)
		return HOLDER_DEAD;
	/* A process whose parent does not ask how it ended. */
	if (stat.state == 'Z' && stat.threads <= 1)
		return HOLDER_DEAD;
	return stat.state == 'Z' || stat.flags & FLAG_EXITING ? HOLDER_ENDING : HOLDER_ALIVE;
}

void holder_await_end(const struct holder *h)
{
	int64_t until_ms = monotonic_ms() + ENDING_WAIT_MS;

	while (holder_life(h) == HOLDER_ENDING && monotonic_ms() < until_ms)
		sleep_us(ENDING_LOOK_US);
}

static bool is_of_earlier_boot(const struct holder *h)
{
	char boot[HOLDER_BOOT_BYTES], host[HOLDER_HOST_BYTES];

	read_host(host);
	return !strcmp(host, h->host) && read_boot(boot) == 0 && strcmp(boot, h->boot) != 0;
}

bool holder_is_gone(const struct holder *h)
{
	return is_of_earlier_boot(h) || holder_life(h) == HOLDER_DEAD;
}

void holder_encode(const struct holder *h, char text[HOLDER_BYTES])
{
	snprintf(text, HOLDER_BYTES,
		 "1 %s %" PRId64 " %" PRId64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64, h->host,
		 h->pid, h->since_s, h->boot, h->pid_namespace, h->time_namespace, h->started);
}

bool holder_decode(struct holder *h, const char *text, size_t bytes)
{
	char copy[HOLDER_BYTES];
	int end = 0;

	if (bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	*h = (struct holder){0};
	return sscanf(copy,
		      "1 %64[0-9A-Za-z._-] %" SCNd64 " %" SCNd64 " %39[0-9a-f-] %" SCNu64
		      " %" SCNu64 " %" SCNu64 "%n",
		      h->host, &h->pid, &h->since_s, h->boot, &h->pid_namespace, &h->time_namespace,
		      &h->started, &end) == 7 &&
	       (size_t)end == bytes;
}

void holder_describe(const struct holder *h, char text[HOLDER_BYTES])
{
	time_t since = (time_t)h->since_s;
	struct tm local;
	char when[32] = "?";

	if (localtime_r(&since, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	snprintf(text, HOLDER_BYTES, "process %" PRId64 " on host %s since %s", h->pid, h->host,
		 when);
}
