/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guests that are protected: as the policies in the store say, read again and again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

enum { LIST_EVERY_MS = 5000, RESCUE_MS = 200 };

/* ---- one guest ---------------------------------------------------------------------------- */

struct guard_terms guest_terms(const struct policy *p)
{
	static const enum guard_on_failure on_failure[] = {
		[POLICY_RESUME] = GUARD_RESUME,
		[POLICY_REBOOT] = GUARD_REBOOT,
		[POLICY_MANUAL] = GUARD_MANUAL,
	};

	return (struct guard_terms){
		.interval_ms = p->interval_ms,
		/* How another QEMU is started without libvirt only its user knows. */
		.on_failure = p->qmp[0] ? GUARD_MANUAL : on_failure[p->on_failure],
		.restart_limit = (unsigned)p->restarts,
		.restart_window_ms = p->restart_window_ms,
	};
}

const char *guest_on_failure_name(const struct policy *p)
{
	static const char *const names[] = {
		[POLICY_RESUME] = "resume",
		[POLICY_REBOOT] = "reboot",
		[POLICY_MANUAL] = "manual",
	};

	return names[p->on_failure];
}

struct guest *guests_find(struct daemon *d, const char *name)
{
	for (struct guest *g = d->guests; g; g = g->next)
		if (!strcmp(g->name, name))
			return g;
	return NULL;
}

static void tell(struct guest *g, enum event_kind kind, const char *sentence)
{
	struct event e;

	event_begin(&e, kind, g->name);
	event_say(&e, "%s", sentence);
	daemon_tell(g->daemon, &e);
}

static struct guest *add(struct daemon *d, const char *name, const struct policy *p)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->daemon = d;
	g->restore_said = -1;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->policy = *p;
	g->next = d->guests;
	d->guests = g;
	if (d->listed_once) /* else it was already when this daemon was started */
		tell(g, EVENT_GUEST_PROTECTED, "it is protected");
	return g;
}

static void free_guest(struct guest *g)
{
	restore_abandon(g);
	capture_forget(g);
	kept_free(g->kept);
	free(g);
}

/* Jobs have a pointer to it: it goes when there is none. */
static void remove_those_that_may(struct daemon *d)
{
	struct guest **at = &d->guests;

	while (*at) {
		struct guest *g = *at;
		bool unguarded = g->guard.guards == NULL || g->guard.state == GUARD_UNPROTECTED;

		if (g->stage != GUEST_LEAVING || g->capture || g->meeting || !unguarded) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		free_guest(g);
	}
}

static void remove_guest(struct guest *g)
{
	const struct guard_news news = {.event = GUARD_REMOVED};
	bool guarded = g->stage == GUEST_GUARDED;

	g->stage = GUEST_LEAVING;
	sockets_forget(g);
	if (g->uuid[0])
		note_remove(g->daemon, g->uuid);
	tell(g, EVENT_GUEST_UNPROTECTED, "it is protected no more");
	if (guarded)
		guard_tell(&g->guard, &news, daemon_now_ms());
}

static void change(struct guest *g, const struct policy *p)
{
	const struct guard_terms terms = guest_terms(p);
	struct fault f;

	if (g->policy.generation == p->generation)
		return;
	g->policy = *p;
	if (g->stage == GUEST_GUARDED)
		guard_change(&g->guard, &terms, daemon_now_ms(), &f);
	tell(g, EVENT_POLICY_CHANGED, "its policy was changed");
	if (!g->capture)
		capture_forget(g);
}

/* ---- what the store has ------------------------------------------------------------------- */

struct listed {
	struct listed *next;
	char name[STORE_NAME_BYTES];
	struct policy policy;
	bool readable;
};

struct listing {
	struct job base;
	struct daemon *daemon;
	char store[CONFIG_TEXT_BYTES];
	struct listed *all;
	struct fault fault;
};

static int note(void *listing, const char *guest, const struct policy *p, const struct fault *why)
{
	struct listing *l = listing;
	struct listed *one = calloc(1, sizeof(*one));

	(void)why;
	if (!one)
		return -ENOMEM;
	snprintf(one->name, sizeof(one->name), "%s", guest);
	one->readable = p;
	if (p)
		one->policy = *p;
	one->next = l->all;
	l->all = one;
	return 0;
}

static int run(struct job *base)
{
	struct listing *l = (struct listing *)base;
	auto_of(store_close) struct store *s = NULL;
	int r = store_open(l->store, &s, &l->fault);

	return r < 0 ? r : policy_list(s, note, l, &l->fault);
}

static void free_listing(struct job *base)
{
	struct listing *l = (struct listing *)base;

	for (struct listed *one; (one = l->all);) {
		l->all = one->next;
		free(one);
	}
	free(l);
}

/* A policy that cannot be read leaves the guest as it was. */
static void take_one(struct daemon *d, const struct listed *one)
{
	struct guest *g = guests_find(d, one->name);
	struct fault f;

	if (g && g->stage != GUEST_LEAVING)
		g->listed = true;
	if (!one->readable || (g && g->stage == GUEST_LEAVING))
		return;
	if (domains_watch(d, &one->policy, &f) < 0)
		return; /* with the next list */
	if (g)
		change(g, &one->policy);
	else if ((g = add(d, one->name, &one->policy)))
		g->listed = true;
	if (g && g->stage == GUEST_NEW && !g->meeting && !d->rescues)
		meet_begin(g);
}

static void take(struct daemon *d, const struct listing *l)
{
	for (struct guest *g = d->guests; g; g = g->next)
		g->listed = false;
	for (const struct listed *one = l->all; one; one = one->next)
		take_one(d, one);
	for (struct guest *g = d->guests; g; g = g->next)
		if (!g->listed && g->stage != GUEST_LEAVING)
			remove_guest(g);
}

static void tell_store(struct daemon *d, bool away, const struct fault *why)
{
	struct event e;

	if (away == d->store_away)
		return;
	d->store_away = away;
	event_begin(&e, away ? EVENT_STORE_AWAY : EVENT_STORE_BACK, NULL);
	if (away)
		event_say(&e, "policies cannot be read: %s", why->text);
	else
		event_say(&e, "policies can be read again");
	daemon_tell(d, &e);
}

static void done(struct job *base)
{
	struct listing *l = (struct listing *)base;
	struct daemon *d = l->daemon;

	d->listing = false;
	d->list_ms = daemon_now_ms() + (d->rescues ? RESCUE_MS : LIST_EVERY_MS);
	tell_store(d, base->result < 0, &l->fault);
	if (base->result == 0 && !d->stopping)
		take(d, l);
	d->listed_once = d->listed_once || base->result == 0;
	free_listing(base);
	daemon_step(d);
}

void guests_list(struct daemon *d)
{
	struct listing *l;
	struct fault ignored;

	remove_those_that_may(d);
	if (d->listing || d->stopping || daemon_now_ms() < d->list_ms)
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		return;
	*l = (struct listing){.base = {.run = run, .done = done, .leave = free_listing},
			      .daemon = d};
	snprintf(l->store, sizeof(l->store), "%s", d->config.store);
	if (jobs_add(d->others, &l->base, &ignored) < 0)
		free(l);
	else
		d->listing = true;
}

uint64_t guests_spool_bytes(const struct daemon *d)
{
	uint64_t bytes = 0;

	for (const struct guest *g = d->guests; g; g = g->next)
		bytes += capture_spool_bytes(g);
	return bytes;
}

void guests_free(struct daemon *d)
{
	for (struct guest *g; (g = d->guests);) {
		d->guests = g->next;
		restore_abandon(g);
		sockets_forget(g);
		kept_free(g->kept);
		free(g);
	}
}

/* ---- what guards ask for ------------------------------------------------------------------ */

static int begin_capture(struct guard_sink *sink, struct guard *g, struct fault *f)
{
	(void)sink;
	return capture_begin(guest_of(g), f);
}

static void stop_capture(struct guard_sink *sink, struct guard *g)
{
	(void)sink;
	capture_stop(guest_of(g));
}

static int begin_restore(struct guard_sink *sink, struct guard *g, enum guard_on_failure how,
			 struct fault *f)
{
	(void)sink;
	capture_forget(guest_of(g));
	requests_begin_restore(guest_of(g));
	return how == GUARD_REBOOT ? boot_begin(guest_of(g), f) : restore_begin(guest_of(g), f);
}

/* What people want to hear of; the rest is in the states. */
static int kind_of(const struct guard_transition *t)
{
	switch (t->event) {
	case GUARD_APPEARED:
		return EVENT_GUEST_RUNS;
	case GUARD_DIED:
		return EVENT_GUEST_DIED;
	case GUARD_SHUT_DOWN:
	case GUARD_DESTROYED:
	case GUARD_SAVED:
	case GUARD_MIGRATED:
		return EVENT_GUEST_ENDED;
	case GUARD_CAPTURED:
		return EVENT_CHECKPOINT_TAKEN;
	case GUARD_CAPTURE_FAILED:
		return EVENT_CAPTURE_FAILED;
	case GUARD_CAPTURE_REFUSED:
		return EVENT_CAPTURE_REFUSED;
	case GUARD_RESTORED:
		return EVENT_GUEST_CONTINUED;
	default:
		return t->to == GUARD_DOWN ? (int)EVENT_GUEST_DOWN : -1;
	}
}

/* What the detail of a transition goes on from. */
static const char *beginning(int kind)
{
	switch (kind) {
	case EVENT_GUEST_RUNS:
		return "it runs here, with a checkpoint ";
	case EVENT_GUEST_CONTINUED:
		return "it goes on, with a checkpoint ";
	case EVENT_GUEST_DIED:
		return "its QEMU died: ";
	case EVENT_GUEST_ENDED:
		return "it ended: ";
	case EVENT_GUEST_DOWN:
		return "it is down: ";
	case EVENT_CAPTURE_FAILED:
		return "no checkpoint, ";
	case EVENT_CAPTURE_REFUSED:
		return "no checkpoint: ";
	default:
		return "";
	}
}

static void moved(struct guard_sink *sink, struct guard *g, const struct guard_transition *t)
{
	struct daemon *d = (struct daemon *)sink;
	char line[GUARD_LINE_BYTES];
	int kind = kind_of(t);
	struct event e;

	d->guests_version++;
	requests_moved(guest_of(g));
	if (kind < 0)
		return;
	guard_line(g, t, line);
	event_begin(&e, (enum event_kind)kind, g->name);
	if (kind == EVENT_CHECKPOINT_TAKEN) {
		const struct taken *taken = taken_newest(guest_of(g));

		e.checkpoint = taken->number;
		event_number(&e, "pause_us", taken->pause_us);
		event_number(&e, "duration_ms", taken->duration_ms);
		event_number(&e, "bytes_written", (int64_t)taken->bytes_written);
	}
	event_say(&e, "%s%s", t->detail[0] ? beginning(kind) : "", t->detail[0] ? t->detail : line);
	daemon_tell(d, &e);
}

static void unexpected(struct guard_sink *sink, const struct guard *g, enum guard_event event)
{
	(void)sink;
	fprintf(stderr, "<4>guest=%s %s: \"%s\" must not happen, and changes nothing\n", g->name,
		guard_state_name(g->state), guard_event_name(event));
}

const struct guard_ops guests_ops = {
	.name = "vmguardd",
	.capture = begin_capture,
	.stop_capture = stop_capture,
	.restore = begin_restore,
	.moved = moved,
	.unexpected = unexpected,
};
