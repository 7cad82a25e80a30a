/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/waker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmguard/clock.h"
#include "vmguard/libvirt.h"

enum {
	CHANNEL_FD = 3,
	MONITOR_FD = 4,
	FIRST_OTHER_FD = 5,
	ANSWER_MS = 10000,
	ATTEMPTS = 30, /* of a libvirtd that is away, */
	AGAIN_MS = 1000,
	REPLY_BYTES = 1 << 16,
};

enum word {
	READY = 'r',
	ARMED = 'a',
	DISARMED = 'd',
};

extern char **environ;

/* ---- its own process --------------------------------------------------------------------- */

/* What comes up to the reply to a command, events and replies to vmguard among it, is skipped. */
static bool await_reply(int64_t until_ms)
{
	static char text[REPLY_BYTES + 1];
	size_t used = 0;

	for (;;) {
		struct pollfd p = {.fd = MONITOR_FD, .events = POLLIN};
		int64_t left_ms = until_ms - monotonic_ms();

		if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0)
			return false;
		ssize_t n = read(MONITOR_FD, text + used, REPLY_BYTES - used);
		if (n <= 0 && errno != EAGAIN && errno != EINTR)
			return false;
		used += n > 0 ? n : 0;
		text[used] = '\0';
		if (strstr(text, "\"waker\""))
			return true;
		if (used == REPLY_BYTES)
			used = 0;
	}
}

static bool tell(const char *command)
{
	char text[80];
	int length =
		snprintf(text, sizeof(text), "{\"execute\": \"%s\", \"id\": \"waker\"}\n", command);

	return write(MONITOR_FD, text, length) == length && await_reply(monotonic_ms() + ANSWER_MS);
}

/* As standstill_end() does it: asked first, the guest cannot be stopped again behind the cont. */
static int wake_by_qmp(void)
{
	return tell("query-status") && tell("cont") ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int wake_by_libvirt(const char *uri, const char *domain, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	char state[32];
	int r = hypervisor_open_libvirt(uri, domain, &h, f);

	if (!r)
		r = hypervisor_run_state(h, state, f);
	if (!r && !strcmp(state, "paused"))
		r = hypervisor_execute(h, "cont", NULL, NULL, f);
	return r;
}

static int wake_domain(const char *uri, const char *domain)
{
	struct fault f;

	for (int i = 0; i < ATTEMPTS; i++) {
		int r = wake_by_libvirt(*uri ? uri : NULL, domain, &f);

		if (!r)
			return EXIT_SUCCESS;
		if (r == -ENOENT || r == -ENOTCONN)
			break; /* it runs no more */
		sleep_us(AGAIN_MS * INT64_C(1000));
	}
	return EXIT_FAILURE;
}

/* argv: the domain and its URI, or nothing where the monitor is inherited. */
int waker_main(int argc, char **argv)
{
	char word = DISARMED, next;
	ssize_t n;

	prctl(PR_SET_NAME, "vmguard-waker");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	next = READY;
	if (write(CHANNEL_FD, &next, 1) != 1)
		return EXIT_FAILURE;
	while ((n = read(CHANNEL_FD, &next, 1)) == 1 || (n < 0 && errno == EINTR))
		word = n == 1 ? next : word;
	if (word != ARMED)
		return EXIT_SUCCESS;
	return argc > 1 ? wake_domain(argv[1], argv[0]) : wake_by_qmp();
}

/* ---- who has one ------------------------------------------------------------------------- */

/* Above those that they are put to in the child, so that none is overwritten by another. */
static int out_of_the_way(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
}

static void add_files(posix_spawn_file_actions_t *files, int channel, int monitor)
{
	for (int fd = 0; fd < CHANNEL_FD; fd++)
		posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(files, channel, CHANNEL_FD);
	if (monitor >= 0)
		posix_spawn_file_actions_adddup2(files, monitor, MONITOR_FD);
	posix_spawn_file_actions_addclosefrom_np(files, monitor >= 0 ? MONITOR_FD + 1 : MONITOR_FD);
}

static int spawn(struct waker *w, const char *const command[], int channel, int monitor)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	add_files(&files, channel, monitor);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&how, &none);
	int r = -posix_spawn(&w->pid, "/proc/self/exe", &files, &how, (char *const *)command,
			     environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	if (r < 0)
		w->pid = 0;
	return r;
}

static int await_ready(int channel)
{
	struct pollfd p = {.fd = channel, .events = POLLIN};
	char word;

	if (poll(&p, 1, ANSWER_MS) <= 0)
		return -ETIMEDOUT;
	return read(channel, &word, 1) == 1 && word == READY ? 0 : -ECHILD;
}

int waker_start(struct waker *w, const struct monitor_address *at, struct hypervisor *h,
		struct fault *f)
{
	const char *const command[] = {"vmguard", WAKER_WORD, at->domain,
				       at->connect ? at->connect : "", NULL};
	int ends[2];

	*w = (struct waker){.channel = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fault_errno(f, -errno, "start the waker of the guest");
	w->channel = ends[0];
	auto_fd int theirs = out_of_the_way(ends[1]);
	close(ends[1]);
	auto_fd int monitor = hypervisor_fd(h) >= 0 ? out_of_the_way(hypervisor_fd(h)) : -1;
	int r = theirs < 0 ? -errno : spawn(w, command, theirs, monitor);
	if (!r)
		r = await_ready(w->channel);
	if (r < 0) {
		waker_end(w);
		return fault_errno(f, r, "start the waker of the guest");
	}
	return 0;
}

int waker_arm(struct waker *w, bool armed, struct fault *f)
{
	char word = armed ? ARMED : DISARMED;

	if (send(w->channel, &word, 1, MSG_NOSIGNAL) == 1)
		return 0;
	return fault_errno(f, -errno, "the waker of the guest has gone: the guest is not stopped");
}

void waker_end(struct waker *w)
{
	if (w->channel >= 0)
		close(w->channel);
	if (w->pid > 0)
		waitpid(w->pid, NULL, 0);
	*w = (struct waker){.channel = -1};
}
