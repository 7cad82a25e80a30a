/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest is continued by a process of its own, `vmguard restore`: while it brings the guest its
 * memory this daemon may be killed and started anew, and the guest does not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

extern char **environ;

enum { ARGUMENTS_MAX = 20 };

static const char *program(void)
{
	const char *named = getenv("VMGUARD");

	return named ? named : "vmguard";
}

static void arguments_of(const struct guest *g, const char *arguments[ARGUMENTS_MAX])
{
	const struct policy *p = &g->policy;
	size_t n = 0;

	arguments[n++] = program();
	arguments[n++] = "restore";
	arguments[n++] = "--store";
	arguments[n++] = g->daemon->config.store;
	arguments[n++] = "--connect";
	arguments[n++] = p->connect[0] ? p->connect : "qemu:///system";
	arguments[n++] = "--yes";
	if (p->key_file[0]) {
		arguments[n++] = "--key-file";
		arguments[n++] = p->key_file;
	}
	if (p->clock == POLICY_CLOCK_KEEP)
		arguments[n++] = "--keep-clock";
	if (p->network == POLICY_NETWORK_KEEP)
		arguments[n++] = "--keep-network";
	arguments[n++] = g->name;
	arguments[n] = NULL;
}

/* Its words go into a memory file; it takes no signals that are for the daemon's terminal. */
static int spawn(struct guest *g, const char *const arguments[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, g->restore_said, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, g->restore_said, STDERR_FILENO);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&how, &none);
	int r = -posix_spawnp(&g->restore, program(), &files, &how, (char *const *)arguments,
			      environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	if (r < 0)
		g->restore = 0;
	return r;
}

/* The last line that it said, which is the reason where it failed. */
static void last_words(int said, char words[GUARD_WHY_BYTES])
{
	char text[4096];
	off_t bytes = lseek(said, 0, SEEK_END);
	off_t from = bytes > (off_t)sizeof(text) - 1 ? bytes - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = pread(said, text, sizeof(text) - 1, from);

	text[n > 0 ? n : 0] = '\0';
	for (size_t end = strlen(text); end && text[end - 1] == '\n';)
		text[--end] = '\0';
	const char *line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (!strncmp(line, "vmguard: ", 9))
		line += 9;
	snprintf(words, GUARD_WHY_BYTES, "%.*s", GUARD_WHY_BYTES - 1,
		 *line ? line : "vmguard restore said nothing");
}

static void forget(struct guest *g)
{
	g->restore_end = sd_event_source_unref(g->restore_end);
	if (g->restore_said >= 0)
		close(g->restore_said);
	g->restore_said = -1;
	g->restore = 0;
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *guest)
{
	struct guest *g = guest;
	struct daemon *d = g->daemon;
	bool done = info->si_code == CLD_EXITED && info->si_status == 0;
	char words[GUARD_WHY_BYTES];
	struct guard_news news = {.event = done ? GUARD_RESTORED : GUARD_RESTORE_FAILED};

	(void)source;
	last_words(g->restore_said, words);
	requests_end(g, g->guard.checkpoint, done ? NULL : words);
	news.ran = !done && strstr(words, "stands still");
	news.why = done ? NULL : words;
	forget(g);
	guard_tell(&g->guard, &news, daemon_now_ms());
	daemon_step(d);
	return 0;
}

int restore_begin(struct guest *g, enum guard_on_failure how, struct fault *f)
{
	const char *arguments[ARGUMENTS_MAX];

	if (how != GUARD_RESUME)
		return fault_set(f, -EOPNOTSUPP, "%s is not booted by this daemon: virsh start",
				 g->name);
	capture_forget(g);
	requests_begin_restore(g);
	arguments_of(g, arguments);
	g->restore_said = memfd_create("restore", MFD_CLOEXEC);
	int r = g->restore_said < 0 ? -errno : spawn(g, arguments);
	if (!r)
		r = sd_event_add_child(g->daemon->loop, &g->restore_end, g->restore, WEXITED,
				       on_end, g);
	if (r < 0) {
		forget(g);
		return fault_errno(f, r, "start vmguard restore for %s", g->name);
	}
	return 0;
}

void restore_abandon(struct guest *g)
{
	forget(g);
}
