/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of CPUs, as text and from the kernel; niceness and I/O priority of a thread. */
#include "vmguard/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmguard/scope.h"

enum {
	RANGE_TEXT_BYTES = 16, /* "1022-1023," */
	STAT_BYTES = 1024,     /* of /proc/PID/task/TID/stat: 52 numbers and a name of 16 */
	STAT_STATE = 3,	       /* the field behind the name, */
	STAT_PROCESSOR = 39,   /* and the one that we want: proc(5) */
};

static const char cut[] = "…";

/* ---- text ----------------------------------------------------------------------------- */

/* Digits and nothing else: strtoul() would take "+1", " 1" and "-1". */
static bool parse_number(const char **text, unsigned *number)
{
	const char *at = *text;

	*number = 0;
	for (; isdigit((unsigned char)*at) && *number < CPU_SETSIZE; at++)
		*number = *number * 10 + (unsigned)(*at - '0');
	bool any = at != *text;

	*text = at;
	return any && *number < CPU_SETSIZE && !isdigit((unsigned char)*at);
}

/* One number or range, behind which the text goes on at *text. */
static bool parse_range(const char **text, cpu_set_t *set)
{
	unsigned first, last;

	if (!parse_number(text, &first))
		return false;
	last = first;
	if (**text == '-') {
		++*text;
		if (!parse_number(text, &last) || last < first)
			return false;
	}
	for (unsigned cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, set);
	return true;
}

int cpus_parse(const char *text, cpu_set_t *set, struct fault *f)
{
	const char *at = text;

	CPU_ZERO(set);
	while (parse_range(&at, set)) {
		if (!*at)
			return 0;
		if (*at++ != ',')
			break;
	}
	return fault_set(f, -EINVAL,
			 "\"%s\" is no list of CPUs: give numbers and ranges with commas between "
			 "them, as 0-3,8; %d is the largest",
			 text, CPU_SETSIZE - 1);
}

/* The CPU behind the range of `set` that begins with `first`. */
static int end_of_range(const cpu_set_t *set, int first)
{
	int end = first + 1;

	while (end < CPU_SETSIZE && CPU_ISSET(end, set))
		end++;
	return end;
}

const char *cpus_format(const cpu_set_t *set, char text[CPUS_TEXT_BYTES])
{
	size_t length = 0;

	text[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE; first++) {
		if (!CPU_ISSET(first, set))
			continue;
		char range[RANGE_TEXT_BYTES];
		const char *comma = length ? "," : "";
		int last = end_of_range(set, first) - 1;

		if (first == last)
			snprintf(range, sizeof(range), "%s%d", comma, first);
		else
			snprintf(range, sizeof(range), "%s%d-%d", comma, first, last);
		/* What follows may need the room of the sign that it was cut. */
		if (length + strlen(range) + sizeof(cut) > CPUS_TEXT_BYTES) {
			snprintf(text + length, CPUS_TEXT_BYTES - length, "%s", cut);
			break;
		}
		length += (size_t)snprintf(text + length, CPUS_TEXT_BYTES - length, "%s", range);
		first = last;
	}
	return text;
}

/* ---- where threads run ---------------------------------------------------------------- */

int cpus_of_thread(pid_t thread, cpu_set_t *set, struct fault *f)
{
	CPU_ZERO(set);
	if (sched_getaffinity(thread, sizeof(*set), set) < 0)
		return fault_errno(f, -errno, "find the CPUs of thread %d", (int)thread);
	return 0;
}

/* The name may hold spaces and brackets: the fields are counted from the last bracket. */
static int processor_of_stat(const char *stat)
{
	const char *at = strrchr(stat, ')');

	for (int field = STAT_STATE; at && field <= STAT_PROCESSOR; field++)
		at = strchr(at + 1, ' ');
	int cpu = at ? atoi(at) : -1;
	return cpu >= 0 && cpu < CPU_SETSIZE ? cpu : -ESRCH;
}

int cpus_last_of_thread(pid_t process, pid_t thread)
{
	char path[64], stat[STAT_BYTES];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)process, (int)thread);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (n <= 0)
		return -ESRCH;
	stat[n] = '\0';
	return processor_of_stat(stat);
}

int cpus_use(const cpu_set_t *set, struct fault *f)
{
	char wanted[CPUS_TEXT_BYTES], allowed[CPUS_TEXT_BYTES];
	cpu_set_t ours;
	struct fault ignored;

	if (sched_setaffinity(0, sizeof(*set), set) == 0)
		return 0;
	int r = -errno;
	cpus_format(set, wanted);
	if (r != -EINVAL || cpus_of_thread(0, &ours, &ignored) < 0)
		return fault_errno(f, r, "run on CPUs %s", wanted);
	return fault_set(f, r, "none of the CPUs \"%s\" can be used here; this process has %s",
			 wanted, cpus_format(&ours, allowed));
}

/* ---- priority ------------------------------------------------------------------------- */

/* A transfer that somebody made nicer still stays so. */
static void lower_io_priority(void)
{
	long old = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	int class = old < 0 ? IOPRIO_CLASS_NONE : IOPRIO_PRIO_CLASS(old);

	if (class == IOPRIO_CLASS_IDLE)
		return;
	if (class == IOPRIO_CLASS_BE && IOPRIO_PRIO_DATA(old) >= TRANSFER_IO_LEVEL)
		return;
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, TRANSFER_IO_LEVEL));
}

void cpus_be_nice(void)
{
	id_t thread = (id_t)syscall(SYS_gettid);

	/* In Linux niceness is a thread's, whatever POSIX says: setpriority(2). */
	errno = 0;
	int nice = getpriority(PRIO_PROCESS, thread);
	if (errno == 0 && nice < TRANSFER_NICE)
		setpriority(PRIO_PROCESS, thread, TRANSFER_NICE);
	lower_io_priority();
}

struct nice_call {
	int (*fn)(void *context, struct fault *f);
	void *context;
	struct fault *f;
	int result;
};

static void *nice_main(void *argument)
{
	struct nice_call *call = argument;

	cpus_be_nice();
	call->result = call->fn(call->context, call->f);
	return NULL;
}

int cpus_call(int (*fn)(void *context, struct fault *f), void *context, struct fault *f)
{
	struct nice_call call = {fn, context, f, 0};
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, nice_main, &call);

	if (r < 0)
		return fault_errno(f, r, "start a thread for the transfer");
	pthread_join(thread, NULL);
	return call.result;
}
