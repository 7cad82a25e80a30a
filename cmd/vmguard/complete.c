/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complete.h"

#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complete_place.h"
#include "daemon.h"
#include "vmguard/libvirt_watch.h"
#include "vmguard/policy.h"

enum {
	LIMIT_S = 2,		    /* who types does not wait longer */
	OUTPUT_BYTES = 1024 * 1024, /* all or nothing: a part would look like the only choice */
};

struct completion {
	struct complete_line line;
	struct complete_place place;
	size_t begun_bytes;
	int offered;
	char last[STORE_NAME_BYTES]; /* guest of the store that was */
};

static void offer(struct completion *c, const char *word, const char *about)
{
	const char *whole = c->line.words[c->line.count - 1];

	if (strncmp(word, c->place.begun, c->begun_bytes) != 0)
		return;
	for (const char *at = word; *at; at++)
		if (iscntrl((unsigned char)*at)) /* a terminal might obey it */
			return;
	printf("%.*s%s%s%s\n", (int)(c->place.begun - whole), whole, word, about ? "\t" : "",
	       about ? about : "");
	c->offered++;
}

/* The value of an option on the line; NULL: it is not there. */
static const char *value_of(const struct completion *c, const char *name)
{
	size_t length = strlen(name);
	bool is_next = false;

	for (int i = 1; i < c->line.count - 1; i++) {
		const char *word = c->line.words[i];
		bool is_it = !strncmp(word, "--", 2) && !strncmp(word + 2, name, length);

		if (is_next)
			return word;
		if (is_it && word[2 + length] == '=')
			return word + 2 + length + 1;
		is_next = is_it && !word[2 + length];
	}
	return NULL;
}

/* ---- what the program itself knows ---------------------------------------------------------- */

static void offer_verbs(struct completion *c)
{
	for (const struct verb *const *verb = c->line.verbs; *verb; verb++)
		offer(c, (*verb)->name, (*verb)->summary);
	if (*c->place.begun != '-')
		return;
	offer(c, "--help", NULL);
	offer(c, "--version", NULL);
}

static void offer_options(struct completion *c)
{
	bool settings = complete_takes_settings(c->place.verb);
	const char *help = c->place.verb->help, *name;
	char option[64];
	size_t length;

	while ((name = complete_option(&help, &length))) {
		snprintf(option, sizeof(option), "--%.*s", (int)length, name);
		if (!settings || !complete_is_setting(option + 2))
			offer(c, option, NULL);
	}
	for (size_t i = 0; settings && policy_key(i); i++) {
		snprintf(option, sizeof(option), "--%s", policy_key(i)->name);
		offer(c, option, policy_key(i)->meaning);
	}
	if (settings)
		offer(c, "--set", NULL);
	offer(c, "--help", NULL);
}

static void offer_settings(struct completion *c)
{
	char setting[64];

	for (size_t i = 0; policy_key(i); i++) {
		snprintf(setting, sizeof(setting), "%s=", policy_key(i)->name);
		offer(c, setting, policy_key(i)->meaning);
	}
}

static void offer_words(struct completion *c)
{
	char words[128];

	snprintf(words, sizeof(words), "%s", c->place.choices);
	for (char *rest, *word = strtok_r(words, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest))
		offer(c, word, NULL);
}

static void offer_stores(struct completion *c)
{
	offer(c, "dir:", NULL);
	offer(c, "rbd:", NULL);
}

/* The shell knows them. */
static void leave_to_shell(const struct completion *c, const char *what)
{
	printf(":%s %td\n", what, c->place.begun - c->line.words[c->line.count - 1]);
}

/* ---- what the store has --------------------------------------------------------------------- */

static int offer_stored(void *completion, const char *guest, struct fault *f)
{
	struct completion *c = completion;
	int before = c->offered;
	char open[TARGET_BYTES];

	(void)f;
	snprintf(open, sizeof(open), "%s@", guest);
	offer(c, c->place.kind == COMPLETE_CHECKPOINTS ? open : guest, NULL);
	if (c->offered > before)
		snprintf(c->last, sizeof(c->last), "%s", guest);
	return 0;
}

static int offer_checkpoint(void *completion, const struct listed_checkpoint *at)
{
	struct completion *c = completion;
	char target[TARGET_BYTES], time[32];

	format_target(c->last, at->id.number, target);
	offer(c, target, at->manifest ? format_time(at->manifest->time_ms, time) : "damaged");
	return 0;
}

static int offer_checkpoints(struct completion *c, struct store *store, struct fault *f)
{
	snprintf(c->last, sizeof(c->last), "%.*s", (int)strcspn(c->place.begun, "@"),
		 c->place.begun);
	int r = store_check_name(c->last, f);
	return r < 0 ? r : checkpoint_list(store, c->last, offer_checkpoint, c, f);
}

static int offer_of_store(struct completion *c, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	const char *uri = value_of(c, "store");
	char open[TARGET_BYTES];

	if (!uri)
		uri = settings_store();
	if (!uri)
		return 0;
	int r = store_open_with_key(uri, value_of(c, "key-file"), false, &store, f);
	if (!r && c->place.kind != COMPLETE_STORED && strchr(c->place.begun, '@'))
		return offer_checkpoints(c, store, f);
	if (!r)
		r = guests_each(store, offer_stored, c, f);
	if (!r && c->place.kind == COMPLETE_TARGETS && c->offered == 1) {
		snprintf(open, sizeof(open), "%s@", c->last);
		offer(c, open, NULL); /* so that a shell does not go on to the next word */
	}
	return r;
}

/* ---- what the daemon knows ------------------------------------------------------------------ */

static void offer_guest(struct completion *c, struct json_object *guest)
{
	offer(c, answer_text(guest, "name"), answer_text(guest, "state"));
}

static void offer_operation(struct completion *c, struct json_object *o)
{
	char id[32], about[STORE_NAME_BYTES + 32];

	if (answer_has(o, "ended"))
		return;
	snprintf(id, sizeof(id), "%" PRId64, answer_number(o, "id"));
	snprintf(about, sizeof(about), "%s %s", answer_text(o, "kind"), answer_text(o, "guest"));
	offer(c, id, about);
}

static int offer_of_daemon(struct completion *c, struct fault *f)
{
	const struct arguments a = {
		.socket = value_of(c, "socket"),
		.host = value_of(c, "host"),
		.cert = value_of(c, "cert"),
		.cert_key = value_of(c, "cert-key"),
		.ca = value_of(c, "ca"),
	};
	bool guests = c->place.kind == COMPLETE_GUESTS;
	auto_of(client_close) struct client *client = NULL;
	struct json_object *answer = NULL;
	int r = daemon_client(&a, NULL, &client, f);

	if (!r)
		r = client_ask(client, "GET", guests ? "/v1/guests" : "/v1/operations", NULL,
			       &answer, f);
	if (r < 0)
		return r;
	struct json_object *all = json_object_object_get(answer, guests ? "guests" : "operations");
	for (size_t i = 0; all && i < json_object_array_length(all); i++)
		(guests ? offer_guest : offer_operation)(c, json_object_array_get_idx(all, i));
	json_object_put(answer);
	return 0;
}

/* ---- what libvirt knows --------------------------------------------------------------------- */

static int offer_domains(struct completion *c, struct fault *f)
{
	struct libvirt_watch *w;
	struct pollfd ready = {.events = POLLIN};
	bool over = false;

	setenv("LIBVIRT_AUTOSTART", "0", 1); /* nothing is started for a question */
	int r = libvirt_watch_open(value_of(c, "connect"), &w, f);
	if (r < 0)
		return r;
	ready.fd = libvirt_watch_fd(w);
	while (!over && poll(&ready, 1, -1) >= 0) /* the alarm ends it */
		for (struct libvirt_sight *s; (s = libvirt_watch_next(w)); free(s)) {
			if (s->kind == LIBVIRT_RUNS)
				offer(c, s->name, NULL);
			over = over || s->kind == LIBVIRT_LISTED || s->kind == LIBVIRT_AWAY;
		}
	libvirt_watch_close(w);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int offer_all(struct completion *c, struct fault *f)
{
	switch (c->place.kind) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_VERBS:
		offer_verbs(c);
		break;
	case COMPLETE_OPTIONS:
		offer_options(c);
		break;
	case COMPLETE_WORDS:
		offer_words(c);
		break;
	case COMPLETE_STORES:
		offer_stores(c);
		break;
	case COMPLETE_SETTINGS:
		offer_settings(c);
		break;
	case COMPLETE_FILES:
		leave_to_shell(c, "files");
		break;
	case COMPLETE_COMMANDS:
		leave_to_shell(c, "commands");
		break;
	case COMPLETE_DOMAINS:
		return offer_domains(c, f);
	case COMPLETE_STORED:
	case COMPLETE_TARGETS:
	case COMPLETE_CHECKPOINTS:
		return offer_of_store(c, f);
	case COMPLETE_GUESTS:
	case COMPLETE_OPERATIONS:
		return offer_of_daemon(c, f);
	}
	return 0;
}

static void give_up(int signal_number)
{
	(void)signal_number;
	_exit(EXIT_FAILED);
}

int complete_main(const struct verb *const *verbs, int count, char **words)
{
	struct completion c = {.line = {.verbs = verbs, .words = words, .count = count}};
	struct fault f;

	if (!count)
		return EXIT_USAGE;
	c.place = complete_find(&c.line);
	c.begun_bytes = strlen(c.place.begun);
	setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	signal(SIGALRM, give_up);
	alarm(LIMIT_S);
	return offer_all(&c, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}
