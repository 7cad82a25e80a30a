/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domains run, of each libvirt that a policy names, and what becomes of those of guests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "vmguard/libvirt_watch.h"

struct domain {
	struct domain *next;
	char uuid[LIBVIRT_UUID_BYTES], name[LIBVIRT_NAME_BYTES];
	bool runs;   /* at first: as far as an earlier daemon knew, also where it died then */
	bool died;   /* that it did, and was not continued */
	bool listed; /* since the connection was made */
	/* Where it does not run any more, and nobody was told yet: how it ended. */
	bool untold;
	enum guard_event ended;
	char how[128];
};

struct domains {
	struct domains *next;
	struct daemon *daemon;
	char uri[POLICY_PATH_BYTES]; /* "": as libvirt chooses */
	struct libvirt_watch *watch;
	sd_event_source *source;
	struct domain *all;
	bool up; /* connected */
	bool told_away;
};

static bool is_named(const struct domain *domain, const char *name)
{
	return !strcmp(domain->uuid, name) || !strcmp(domain->name, name);
}

/* ---- guests of a domain ------------------------------------------------------------------- */

static enum note note_of(const struct domain *domain)
{
	if (domain->runs)
		return NOTE_RUNS;
	return domain->ended == GUARD_DIED ? NOTE_DIED : NOTE_ENDED;
}

static void tell_guest(struct guest *g, struct domain *domain)
{
	const struct guard_news runs = {.event = GUARD_APPEARED};
	const struct guard_news ended = {.event = domain->ended, .why = domain->how};

	snprintf(g->uuid, sizeof(g->uuid), "%s", domain->uuid);
	note_write(g->daemon, g->uuid, note_of(domain));
	if (domain->runs || domain->untold)
		guard_tell(&g->guard, domain->runs ? &runs : &ended, daemon_now_ms());
	domain->untold = false;
}

static bool is_of(const struct guest *g, const struct domains *of, const struct domain *domain)
{
	return g->stage == GUEST_GUARDED && !strcmp(g->policy.connect, of->uri) &&
	       is_named(domain, g->policy.domain);
}

static void tell_guests(const struct domains *of, struct domain *domain)
{
	for (struct guest *g = of->daemon->guests, *next; g; g = next) {
		next = g->next;
		if (is_of(g, of, domain))
			tell_guest(g, domain);
	}
}

static void end(const struct domains *of, struct domain *domain, enum guard_event event,
		const char *how)
{
	domain->runs = false;
	domain->untold = true;
	domain->ended = event;
	snprintf(domain->how, sizeof(domain->how), "%s",
		 *how ? how : "nobody saw how it ended; 'vmguard restore' continues it");
	tell_guests(of, domain);
}

/* ---- sights ------------------------------------------------------------------------------- */

static struct domain *find(struct domains *of, const struct libvirt_sight *s)
{
	for (struct domain *domain = of->all; domain; domain = domain->next)
		if (!strcmp(domain->uuid, s->uuid))
			return domain;
	struct domain *made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	snprintf(made->uuid, sizeof(made->uuid), "%s", s->uuid);
	const enum note was = note_read(of->daemon, made->uuid);
	made->runs = was != NOTE_ENDED;
	made->died = was == NOTE_DIED;
	made->next = of->all;
	of->all = made;
	return made;
}

static enum guard_event event_of(enum libvirt_sight_kind kind)
{
	switch (kind) {
	case LIBVIRT_RUNS:
		return GUARD_APPEARED;
	case LIBVIRT_DIED:
		return GUARD_DIED;
	default:
		return GUARD_SHUT_DOWN;
	}
}

/* One that was off already when it is found so is nothing new. */
static void see_domain(struct domains *of, const struct libvirt_sight *s)
{
	struct domain *domain = find(of, s);

	if (!domain)
		return;
	/* What its user did with it since counts. */
	bool died = domain->died && s->kind == LIBVIRT_OFF;
	snprintf(domain->name, sizeof(domain->name), "%s", s->name);
	domain->listed = true;
	if (s->kind == LIBVIRT_RUNS) {
		domain->runs = true;
		domain->died = false;
		tell_guests(of, domain);
	} else if (domain->runs) {
		end(of, domain, died ? GUARD_DIED : event_of(s->kind), s->how);
	}
}

static void tell_back(struct domains *of)
{
	if (of->told_away)
		daemon_say(of->daemon, EVENT_LIBVIRT_BACK, "libvirt%s%s is there again",
			   of->uri[0] ? " at " : "", of->uri);
	of->told_away = false;
}

/* Those that were not listed are not there any more: transient ones that ended meanwhile. */
static void end_list(struct domains *of)
{
	tell_back(of);
	for (struct domain *domain = of->all; domain; domain = domain->next)
		if (domain->runs && !domain->listed)
			end(of, domain, GUARD_SHUT_DOWN, "");
}

static void begin_away(struct domains *of, const char *how)
{
	for (struct domain *domain = of->all; domain; domain = domain->next)
		domain->listed = false;
	of->told_away = true;
	daemon_say(of->daemon, EVENT_LIBVIRT_AWAY, "libvirt is away: %s", how);
}

static void see(struct domains *of, const struct libvirt_sight *s)
{
	of->up = s->kind != LIBVIRT_AWAY;
	if (s->kind == LIBVIRT_LISTED)
		end_list(of);
	else if (s->kind == LIBVIRT_AWAY)
		begin_away(of, s->how);
	else
		see_domain(of, s);
}

static int on_sights(sd_event_source *source, int fd, uint32_t events, void *domains)
{
	struct domains *of = domains;
	struct libvirt_sight *s;

	(void)source;
	(void)fd;
	(void)events;
	while ((s = libvirt_watch_next(of->watch))) {
		see(of, s);
		free(s);
	}
	daemon_step(of->daemon);
	return 0;
}

/* ---- watching ----------------------------------------------------------------------------- */

static struct domains *of_policy(const struct daemon *d, const struct policy *p)
{
	struct domains *of = d->domains;

	while (of && strcmp(of->uri, p->connect) != 0)
		of = of->next;
	return of;
}

static void free_domains(struct domains *of)
{
	sd_event_source_disable_unref(of->source);
	libvirt_watch_close(of->watch);
	for (struct domain *domain; (domain = of->all);) {
		of->all = domain->next;
		free(domain);
	}
	free(of);
}

int domains_watch(struct daemon *d, const struct policy *p, struct fault *f)
{
	if (!p->domain[0] || of_policy(d, p))
		return 0;
	struct domains *of = calloc(1, sizeof(*of));
	if (!of)
		return fault_errno(f, -ENOMEM, "watch libvirt");
	of->daemon = d;
	snprintf(of->uri, sizeof(of->uri), "%s", p->connect);
	int r = libvirt_watch_open(p->connect[0] ? p->connect : NULL, &of->watch, f);
	if (!r && (r = sd_event_add_io(d->loop, &of->source, libvirt_watch_fd(of->watch), EPOLLIN,
				       on_sights, of)) < 0)
		fault_errno(f, r, "watch libvirt");
	if (r < 0) {
		free_domains(of);
		return r;
	}
	of->next = d->domains;
	d->domains = of;
	return 0;
}

void domains_tell(struct guest *g)
{
	struct domains *of = of_policy(g->daemon, &g->policy);

	for (struct domain *domain = of ? of->all : NULL; domain; domain = domain->next)
		if (is_of(g, of, domain))
			tell_guest(g, domain);
}

void domains_each(const struct daemon *d, void (*each)(void *context, const char *uri, bool up),
		  void *context)
{
	for (const struct domains *of = d->domains; of; of = of->next)
		each(context, of->uri, of->up);
}

void domains_free(struct daemon *d)
{
	for (struct domains *of; (of = d->domains);) {
		d->domains = of->next;
		free_domains(of);
	}
}
