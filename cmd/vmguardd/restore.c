/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest is continued by a process of its own, `vmguard restore`: while it brings the guest its
 * memory this daemon may be killed and started anew, and the guest does not notice.
 *
 *	restore_begin() ──> vmguard restore ──> ended well ──> GUARD_RESTORED
 *	                                 '────> not: does the guest lack pages (record.h)?
 *	                                           ├─ no ──> GUARD_RESTORE_FAILED
 *	    .── vmguard restore --resume <─────────┘ yes, after 0, 1, 2, 4 … 60 s
 *	    '──> ended: the same
 *
 * What it says is in RUN/continue-GUEST. It has that file locked, by the descriptor that it
 * inherits: a daemon that is started anew sees by this that there is one before it has a QEMU, and
 * begins no second one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "guest.h"
#include "vmguard/record.h"

extern char **environ;

enum {
	ARGUMENTS_MAX = 20,
	LOOK_MS = 250, /* whether one that is not our child has ended */
};

static const char *program(void)
{
	const char *named = getenv("VMGUARD");

	return named ? named : "vmguard";
}

/* ---- what an earlier one has left ----------------------------------------------------------- */

static void path_of(const struct guest *g, char *path, size_t room)
{
	snprintf(path, room, "%s/continue-%s", g->daemon->config.run_directory, g->name);
}

enum { PATH_ROOM = CONFIG_TEXT_BYTES + STORE_NAME_BYTES + 16 };

static int open_words(struct guest *g, int flags)
{
	char path[PATH_ROOM];

	if (g->restore_said >= 0)
		return 0;
	path_of(g, path, sizeof(path));
	g->restore_said = open(path, O_RDWR | O_APPEND | O_CLOEXEC | flags, 0600);
	return g->restore_said < 0 ? -errno : 0;
}

/* By a process that is not our child: those share our lock. */
static bool is_restored(const struct guest *g)
{
	return g->restore_said >= 0 && flock(g->restore_said, LOCK_EX | LOCK_NB) < 0;
}

enum pages { PAGES_THERE, PAGES_COMING, PAGES_MISSING };

struct look {
	const struct policy *policy;
	enum pages pages;
};

static int look_at(void *look, const struct holder *qemu, const struct record *r, struct fault *f)
{
	struct look *l = look;
	const struct policy *p = l->policy;

	enum holder_life life = holder_life(qemu);

	(void)f;
	if (life == HOLDER_DEAD || life == HOLDER_ENDING ||
	    !record_is_of(r, p->qmp[0] ? p->qmp : NULL, p->domain))
		return 0;
	l->pages = holder_life(&r->feeder) == HOLDER_ALIVE ? PAGES_COMING : PAGES_MISSING;
	return -EEXIST; /* no more */
}

static enum pages pages_of(const struct guest *g)
{
	struct look look = {.policy = &g->policy};
	struct fault ignored;

	record_each(look_at, &look, &ignored);
	return look.pages;
}

/* ---- the process ---------------------------------------------------------------------------- */

static size_t name_guest(const struct guest *g, const char *arguments[], size_t n)
{
	const struct policy *p = &g->policy;

	arguments[n++] = p->qmp[0] ? "--qmp" : "--domain";
	arguments[n++] = p->qmp[0] ? p->qmp : p->domain;
	return n;
}

static size_t name_libvirt(const struct policy *p, const char *arguments[], size_t n)
{
	arguments[n++] = "--connect";
	arguments[n++] = p->connect[0] ? p->connect : "qemu:///system";
	return n;
}

static void arguments_of(const struct guest *g, bool resume, const char *arguments[ARGUMENTS_MAX])
{
	const struct policy *p = &g->policy;
	size_t n = 0;

	arguments[n++] = program();
	arguments[n++] = "restore";
	if (p->key_file[0]) {
		arguments[n++] = "--key-file";
		arguments[n++] = p->key_file;
	}
	if (p->clock == POLICY_CLOCK_KEEP)
		arguments[n++] = "--keep-clock";
	if (p->network == POLICY_NETWORK_KEEP)
		arguments[n++] = "--keep-network";
	if (!resume || !p->qmp[0])
		n = name_libvirt(p, arguments, n);
	if (resume) {
		arguments[n++] = "--resume";
		n = name_guest(g, arguments, n);
	} else {
		arguments[n++] = "--store";
		arguments[n++] = g->daemon->config.store;
		arguments[n++] = "--yes";
		arguments[n++] = g->name;
	}
	arguments[n] = NULL;
}

/* It takes no signals that are for the daemon's terminal. */
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
	g->restore_timer = sd_event_source_disable_unref(g->restore_timer);
	if (g->restore_said >= 0)
		close(g->restore_said);
	g->restore_said = -1;
	g->restore = 0;
	g->restore_lacks = false;
	g->restore_failures = 0;
}

/* ---- how it goes on ------------------------------------------------------------------------- */

/* `why` NULL: it went well. */
static void tell_end(struct guest *g, const char *why)
{
	struct guard_news news = {.event = why ? GUARD_RESTORE_FAILED : GUARD_RESTORED, .why = why};
	struct daemon *d = g->daemon;
	char path[PATH_ROOM];

	news.ran = why && (g->restore_lacks || strstr(why, "stands still"));
	path_of(g, path, sizeof(path));
	unlink(path);
	forget(g);
	requests_end(g, g->guard.checkpoint, why);
	guard_tell(&g->guard, &news, daemon_now_ms());
	daemon_step(d);
}

static int on_time(sd_event_source *source, uint64_t us, void *guest);

static int look_in(struct guest *g, int64_t ms)
{
	g->restore_timer = sd_event_source_disable_unref(g->restore_timer);
	return sd_event_add_time_relative(g->daemon->loop, &g->restore_timer, CLOCK_MONOTONIC,
					  (uint64_t)ms * 1000, 0, on_time, g);
}

static void tell_interrupted(const struct guest *g, const char *why)
{
	struct event e;

	event_begin(&e, EVENT_RESTORE_INTERRUPTED, g->name);
	event_say(&e, "the guest waits for pages, its restore is gone on with: %s", why);
	daemon_tell(g->daemon, &e);
}

/* The first time at once: the guest hangs. */
static int64_t back_off_ms(struct guest *g)
{
	int64_t ms = g->restore_failures ? GUARD_BACKOFF_FIRST_MS : 0;

	for (unsigned i = 1; i < g->restore_failures && ms < GUARD_BACKOFF_MAX_MS; i++)
		ms *= 2;
	g->restore_failures++;
	return ms < GUARD_BACKOFF_MAX_MS ? ms : GUARD_BACKOFF_MAX_MS;
}

/* The process is gone. */
static void go_on_or_end(struct guest *g, const char *why)
{
	if (!why || pages_of(g) == PAGES_THERE) {
		tell_end(g, why);
		return;
	}
	g->restore_lacks = true;
	tell_interrupted(g, why);
	if (look_in(g, back_off_ms(g)) < 0)
		tell_end(g, why);
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *guest)
{
	struct guest *g = guest;
	bool done = info->si_code == CLD_EXITED && info->si_status == 0;
	char words[GUARD_WHY_BYTES];

	(void)source;
	g->restore_end = sd_event_source_unref(g->restore_end);
	g->restore = 0;
	last_words(g->restore_said, words);
	if (info->si_code != CLD_EXITED)
		snprintf(words, sizeof(words), "vmguard restore was killed by signal %d",
			 info->si_status);
	go_on_or_end(g, done ? NULL : words);
	return 0;
}

/* With the lock, which the process inherits. */
static int begin(struct guest *g, bool resume)
{
	const char *arguments[ARGUMENTS_MAX];

	if (ftruncate(g->restore_said, 0) < 0)
		return -errno;
	arguments_of(g, resume, arguments);
	int r = spawn(g, arguments);
	return r < 0 ? r
		     : sd_event_add_child(g->daemon->loop, &g->restore_end, g->restore, WEXITED,
					  on_end, g);
}

static void resume(struct guest *g)
{
	struct fault f;
	int r = open_words(g, O_CREAT);

	if (!r)
		r = begin(g, true);
	if (r < 0) {
		fault_errno(&f, r, "start vmguard restore --resume for %s", g->name);
		go_on_or_end(g, f.text);
	}
}

/* Of one that is not our child nobody says how it ended: where no page is missing and the guest
 * runs, well. */
static void end_unseen(struct guest *g)
{
	char words[GUARD_WHY_BYTES];

	if (g->restore_said >= 0)
		last_words(g->restore_said, words);
	else
		snprintf(words, sizeof(words), "its QEMU has ended");
	tell_end(g, g->guard.present ? NULL : words);
}

static int on_time(sd_event_source *source, uint64_t us, void *guest)
{
	struct guest *g = guest;
	enum pages pages = pages_of(g);

	(void)source;
	(void)us;
	g->restore_lacks = g->restore_lacks || pages != PAGES_THERE;
	if (is_restored(g) || pages == PAGES_COMING)
		look_in(g, LOOK_MS);
	else if (pages == PAGES_MISSING && !g->restore_failures)
		go_on_or_end(g, "the vmguard that brought them is gone");
	else if (pages == PAGES_MISSING)
		resume(g);
	else
		end_unseen(g);
	return 0;
}

bool restore_find(struct guest *g)
{
	char path[PATH_ROOM];

	if (!open_words(g, 0) && is_restored(g))
		return true;
	if (pages_of(g) != PAGES_THERE)
		return true;
	path_of(g, path, sizeof(path)); /* of one that has ended meanwhile */
	unlink(path);
	forget(g);
	return false;
}

void restore_adopt(struct guest *g)
{
	requests_begin_restore(g);
	if (look_in(g, 0) < 0)
		tell_end(g, "no memory to go on with its restore");
}

int restore_begin(struct guest *g, struct fault *f)
{
	int r = open_words(g, O_CREAT);

	if (!r && (is_restored(g) || pages_of(g) != PAGES_THERE))
		r = look_in(g, 0); /* somebody else's, that is not over */
	else if (!r)
		r = begin(g, false);
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
