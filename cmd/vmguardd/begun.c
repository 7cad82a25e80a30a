/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN/capture-NAME: a capture of this guest has begun and is not over. A daemon that finds one when
 * it is started was killed in the middle: the guest may stand still, waiting for its reader, and is
 * set free before anything else, whether or not the store can be read.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

#define PREFIX "capture-"

enum { PATH_ROOM = CONFIG_TEXT_BYTES + STORE_NAME_BYTES + 16 };

struct rescue {
	struct job base;
	struct daemon *daemon;
	char guest[STORE_NAME_BYTES];
	char qmp[POLICY_SOCKET_BYTES], domain[POLICY_PATH_BYTES], connect[POLICY_PATH_BYTES];
	struct rescue_report report;
	struct fault fault;
};

static void path_of(const char *run_directory, const char *guest, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/" PREFIX "%s", run_directory, guest);
}

void begun_write(const struct kept *k)
{
	char path[PATH_ROOM];

	path_of(k->run_directory, k->guest, path);
	FILE *file = fopen(path, "we");
	if (!file)
		return; /* the policy leads to it, too, only later */
	fprintf(file, "%s\n%s\n%s\n", k->policy.qmp, k->policy.domain, k->policy.connect);
	fclose(file);
}

void begun_remove(const char *run_directory, const char *guest)
{
	char path[PATH_ROOM];

	path_of(run_directory, guest, path);
	unlink(path);
}

/* ---- rescue --------------------------------------------------------------------------------- */

static int run(struct job *base)
{
	struct rescue *c = (struct rescue *)base;
	const struct monitor_address at = {.qmp = c->qmp[0] ? c->qmp : NULL,
					   .domain = c->domain[0] ? c->domain : NULL,
					   .connect = c->connect[0] ? c->connect : NULL};
	char state[32];

	return session_rescue(&at, &c->report, state, &c->fault);
}

void guest_tell_rescue(struct daemon *d, const char *guest, const struct rescue_report *r)
{
	struct event e;

	if (!r->drained_bytes && !r->areas_released)
		return;
	event_begin(&e, EVENT_CAPTURE_RESCUED, guest);
	event_number(&e, "drained_bytes", (int64_t)r->drained_bytes);
	event_say(&e, "a capture that an earlier daemon had begun was ended, the guest goes on");
	daemon_tell(d, &e);
}

static void done(struct job *base)
{
	struct rescue *c = (struct rescue *)base;
	struct daemon *d = c->daemon;

	guest_tell_rescue(d, c->guest, &c->report);
	begun_remove(d->config.run_directory, c->guest);
	d->rescues--;
	free(c);
	daemon_step(d);
}

static void leave(struct job *base)
{
	free(base);
}

static bool read_line(FILE *file, char *text, size_t bytes)
{
	if (!fgets(text, (int)bytes, file))
		return false;
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static struct rescue *read_note(struct daemon *d, const char *guest)
{
	struct rescue *c = calloc(1, sizeof(*c));
	char path[PATH_ROOM];

	path_of(d->config.run_directory, guest, path);
	FILE *file = c ? fopen(path, "re") : NULL;
	if (!file) {
		free(c);
		return NULL;
	}
	*c = (struct rescue){.base = {.run = run, .done = done, .leave = leave}, .daemon = d};
	snprintf(c->guest, sizeof(c->guest), "%s", guest);
	bool whole = read_line(file, c->qmp, sizeof(c->qmp)) &&
		     read_line(file, c->domain, sizeof(c->domain)) &&
		     read_line(file, c->connect, sizeof(c->connect));
	fclose(file);
	if (whole)
		return c;
	free(c); /* killed before it was written: nothing had begun */
	begun_remove(d->config.run_directory, guest);
	return NULL;
}

void begun_rescue(struct daemon *d)
{
	DIR *folder = opendir(d->config.run_directory);
	struct fault ignored;

	for (struct dirent *e; folder && (e = readdir(folder));) {
		struct rescue *c = strncmp(e->d_name, PREFIX, strlen(PREFIX))
					   ? NULL
					   : read_note(d, e->d_name + strlen(PREFIX));

		if (c && jobs_add(d->captures, &c->base, &ignored) == 0)
			d->rescues++;
		else
			free(c);
	}
	if (folder)
		closedir(folder);
}
