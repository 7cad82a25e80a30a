/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/waker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmguard/clock.h"
#include "vmguard/libvirt.h"

enum {
	CHANNEL_FD = 3,
	QEMU_FD = 4, /* its monitor, or where libvirt has that, its process */
	FIRST_OTHER_FD = 5,
	READY_MS = 10000,
	AGAIN_MS = 1000,
	WAKE_MS = 5000, /* what it takes where QEMU and libvirtd are well */
	LOOK_US = 5000,
	REPLY_BYTES = 1 << 16,
};

enum word {
	READY = 'r',
	ARMED = 'a',
	DISARMED = 'd',
};

extern char **environ;

/* ---- its own process --------------------------------------------------------------------- */

enum answer {
	ANSWER_NONE,
	ANSWER_DONE,
	ANSWER_REFUSED,
};

/* Takes the whole lines out of a text; those up to ours are events, and replies to vmguard. */
static enum answer take_lines(char *text, size_t *used)
{
	enum answer answer = ANSWER_NONE;
	char *line = text, *end;

	while (!answer && (end = memchr(line, '\n', text + *used - line))) {
		*end = '\0';
		if (strstr(line, "\"waker\""))
			answer = strstr(line, "\"error\"") ? ANSWER_REFUSED : ANSWER_DONE;
		line = end + 1;
	}
	*used -= line - text;
	memmove(text, line, *used);
	return answer;
}

/* A QEMU that is frozen answers when it goes on, and one that ends closes its monitor. */
static enum answer await_answer(void)
{
	static char text[REPLY_BYTES];
	struct pollfd p = {.fd = QEMU_FD, .events = POLLIN};
	enum answer answer = ANSWER_NONE;
	size_t used = 0;

	while (!answer) {
		ssize_t n =
			poll(&p, 1, -1) < 0 ? -1 : read(QEMU_FD, text + used, REPLY_BYTES - used);

		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		used += n > 0 ? n : 0;
		answer = take_lines(text, &used);
		if (used == REPLY_BYTES)
			used = 0;
	}
	return answer;
}

static enum answer tell(const char *command, const char *arguments)
{
	char text[200];
	int length = snprintf(text, sizeof(text),
			      "{\"execute\": \"%s\", \"arguments\": {%s}, \"id\": \"waker\"}\n",
			      command, arguments);

	return write(QEMU_FD, text, length) == length ? await_answer() : ANSWER_NONE;
}

/*
 * As standstill_end() does it: asked first, the guest cannot be stopped again behind the cont. Then
 * as monitor_clear_settings(), which is refused where the snapshot has begun.
 */
static int wake_by_qmp(void)
{
	static const char capability_off[] =
		"\"capabilities\": [{\"capability\": \"background-snapshot\", \"state\": false}]";

	if (!tell("query-status", "") || tell("cont", "") != ANSWER_DONE)
		return EXIT_FAILURE;
	if (tell("migrate-set-capabilities", capability_off) == ANSWER_DONE)
		tell("migrate-set-parameters", "\"tls-creds\": \"\"");
	return EXIT_SUCCESS;
}

static int wake_by_libvirt(const char *uri, const char *domain, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	struct fault ignored; /* it is refused where the snapshot has begun */
	char state[32];
	int r = hypervisor_open_libvirt(uri, domain, &h, f);

	if (!r)
		r = hypervisor_run_state(h, state, f);
	if (!r && !strcmp(state, "paused"))
		r = hypervisor_execute(h, "cont", NULL, NULL, f);
	if (!r)
		monitor_clear_settings(h, &ignored);
	return r;
}

/* As long as there is a QEMU: who is frozen or away now, it or libvirtd, may come back. */
static int wake_domain(const char *uri, const char *domain)
{
	struct pollfd qemu = {.fd = QEMU_FD, .events = POLLIN};
	struct fault f;
	int r;

	do {
		r = wake_by_libvirt(*uri ? uri : NULL, domain, &f);
	} while (r < 0 && r != -ENOENT && r != -ENOTCONN && poll(&qemu, 1, AGAIN_MS) == 0);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
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

/* Readable when it has ended; a process that is not known ends when libvirt says so. */
static int open_process(pid_t pid)
{
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : eventfd(0, EFD_CLOEXEC);
}

static int open_qemu(struct hypervisor *h)
{
	if (hypervisor_fd(h) >= 0)
		return out_of_the_way(hypervisor_fd(h));
	auto_fd int process = open_process(hypervisor_pid(h));
	return process < 0 ? -1 : out_of_the_way(process);
}

static void add_files(posix_spawn_file_actions_t *files, int channel, int qemu)
{
	for (int fd = 0; fd < CHANNEL_FD; fd++)
		posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(files, channel, CHANNEL_FD);
	posix_spawn_file_actions_adddup2(files, qemu, QEMU_FD);
	posix_spawn_file_actions_addclosefrom_np(files, QEMU_FD + 1);
}

static int spawn(struct waker *w, const char *const command[], int channel, int qemu)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	add_files(&files, channel, qemu);
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

	if (poll(&p, 1, READY_MS) <= 0)
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
	auto_fd int qemu = theirs < 0 ? -1 : open_qemu(h);
	int r = qemu < 0 ? -errno : spawn(w, command, theirs, qemu);
	if (!r)
		r = await_ready(w->channel);
	if (r < 0) {
		waker_end(w, f);
		return fault_errno(f, r, "start the waker of the guest");
	}
	return 0;
}

int waker_arm(struct waker *w, bool armed, struct fault *f)
{
	char word = armed ? ARMED : DISARMED;

	if (send(w->channel, &word, 1, MSG_NOSIGNAL) == 1) {
		w->armed = armed;
		return 0;
	}
	return fault_errno(f, -errno, "the waker of the guest has gone: the guest is not stopped");
}

/* One that is armed takes as long as QEMU or libvirtd are frozen. */
static int await_end(const struct waker *w, struct fault *f)
{
	int64_t until_ms = monotonic_ms() + WAKE_MS;

	while (!waitpid(w->pid, NULL, w->armed ? WNOHANG : 0)) {
		if (monotonic_ms() > until_ms)
			return fault_set(f, -ETIMEDOUT,
					 "the guest stands still; process %d lets it go on as soon "
					 "as QEMU can be asked for that",
					 (int)w->pid);
		sleep_us(LOOK_US);
	}
	return 0;
}

int waker_end(struct waker *w, struct fault *f)
{
	if (w->channel >= 0)
		close(w->channel);
	int r = w->pid > 0 ? await_end(w, f) : 0;
	*w = (struct waker){.channel = -1};
	return r;
}
