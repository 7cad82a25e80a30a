/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process by its name, its life judged from /proc; see proc(5). */
#include "rbd_holder.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmguard/clock.h"

enum { STAT_BYTES = 1024, FLAG_EXITING = 4 /* PF_EXITING in the kernel's sched.h */ };

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

static int read_boot(char boot[RBD_BOOT_BYTES])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return -errno;
	int n = fscanf(file, "%39[0-9a-f-]", boot);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

static uint64_t namespace_of_self(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

int rbd_holder_self(struct rbd_holder *h, struct fault *f)
{
	struct process_stat stat = {0};

	*h = (struct rbd_holder){
		.pid = getpid(),
		.since_s = wall_ms() / 1000,
		.pid_namespace = namespace_of_self("/proc/self/ns/pid"),
		.time_namespace = namespace_of_self("/proc/self/ns/time"),
	};
	if (gethostname(h->host, sizeof(h->host) - 1) < 0 || !*h->host)
		snprintf(h->host, sizeof(h->host), "unknown");
	int r = read_boot(h->boot);
	if (r == 0)
		r = read_stat(h->pid, &stat);
	if (r < 0)
		return fault_errno(f, r, "read in /proc who we are");
	h->started = stat.started;
	return 0;
}

/* Whether a process of that number there would be a process of that number here. */
static bool is_of_our_kind(const struct rbd_holder *h)
{
	char boot[RBD_BOOT_BYTES];

	return h->pid > 0 && h->pid_namespace && read_boot(boot) == 0 && !strcmp(boot, h->boot) &&
	       h->pid_namespace == namespace_of_self("/proc/self/ns/pid") &&
	       h->time_namespace == namespace_of_self("/proc/self/ns/time");
}

enum rbd_life rbd_holder_life(const struct rbd_holder *h)
{
	struct process_stat stat = {0};

	if (!is_of_our_kind(h))
		return RBD_UNKNOWN;
	/* Not by /proc alone: mounted with hidepid it does not show the processes of others. */
	if (kill((pid_t)h->pid, 0) < 0 && errno == ESRCH)
		return RBD_DEAD;
	if (read_stat(h->pid, &stat) < 0)
		return RBD_UNKNOWN;
	if (stat.started != h->started)
		return RBD_DEAD;
	/* A process whose parent does not ask how it ended. */
	if (stat.state == 'Z' && stat.threads <= 1)
		return RBD_DEAD;
	return stat.state == 'Z' || stat.flags & FLAG_EXITING ? RBD_ENDING : RBD_ALIVE;
}

void rbd_holder_encode(const struct rbd_holder *h, char text[RBD_HOLDER_BYTES])
{
	snprintf(text, RBD_HOLDER_BYTES,
		 "1 %s %" PRId64 " %" PRId64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64, h->host,
		 h->pid, h->since_s, h->boot, h->pid_namespace, h->time_namespace, h->started);
}

bool rbd_holder_decode(struct rbd_holder *h, const char *text, size_t bytes)
{
	char copy[RBD_HOLDER_BYTES];
	int end = 0;

	if (bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	*h = (struct rbd_holder){0};
	return sscanf(copy,
		      "1 %64[0-9A-Za-z._-] %" SCNd64 " %" SCNd64 " %39[0-9a-f-] %" SCNu64
		      " %" SCNu64 " %" SCNu64 "%n",
		      h->host, &h->pid, &h->since_s, h->boot, &h->pid_namespace, &h->time_namespace,
		      &h->started, &end) == 7 &&
	       (size_t)end == bytes;
}

void rbd_holder_describe(const struct rbd_holder *h, char text[RBD_HOLDER_BYTES])
{
	time_t since = (time_t)h->since_s;
	struct tm local;
	char when[32] = "?";

	if (localtime_r(&since, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	snprintf(text, RBD_HOLDER_BYTES, "process %" PRId64 " on host %s since %s", h->pid, h->host,
		 when);
}
