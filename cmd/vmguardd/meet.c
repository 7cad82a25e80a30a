/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest is looked at once before it is guarded: a capture that was under way when an earlier
 * daemon died is drained, so that the guest does not hang, a restore is gone on with, and its last
 * checkpoint says when the next is due. The guest comes first: that of the store may take its time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "vmguard/clock.h"

struct meeting {
	struct job base;
	struct guest *guest;
	struct policy policy;
	char name[STORE_NAME_BYTES], store[CONFIG_TEXT_BYTES];
	bool restoring; /* it is not captured, and not to be disturbed */
	struct rescue_report rescue;
	struct taken taken[HISTORY]; /* a ring of what there is; count % HISTORY is next */
	uint64_t count;
	struct fault fault; /* of the store; code 0: none */
};

static struct monitor_address address_of(const struct policy *p)
{
	return (struct monitor_address){.qmp = p->qmp[0] ? p->qmp : NULL,
					.domain = p->domain[0] ? p->domain : NULL,
					.connect = p->connect[0] ? p->connect : NULL};
}

static int note_taken(void *meeting, const struct listed_checkpoint *l)
{
	struct meeting *m = meeting;

	if (l->manifest) /* oldest first */
		m->taken[m->count++ % HISTORY] = (struct taken){
			.number = l->id.number,
			.time_ms = l->manifest->time_ms,
			.pause_us = l->manifest->pause_us,
			.memory_bytes = layout_bytes(&l->manifest->layout),
			.bytes_written = l->manifest->bytes_written,
		};
	return 0;
}

static int find_checkpoint(struct meeting *m, struct fault *f)
{
	auto_of(store_close) struct store *s = NULL;
	const char *key = m->policy.key_file[0] ? m->policy.key_file : NULL;
	int r = store_open_with_key(m->store, key, false, &s, f);

	if (!r)
		r = checkpoint_list(s, m->name, note_taken, m, f);
	return r == -ENOENT ? 0 : r;
}

static int run(struct job *base)
{
	struct meeting *m = (struct meeting *)base;
	const struct monitor_address at = address_of(&m->policy);
	struct fault ignored; /* it does not run, or does not hang */
	char state[32];

	if (!m->restoring)
		session_rescue(&at, &m->rescue, state, &ignored);
	return find_checkpoint(m, &m->fault);
}

static void guard(struct guest *g, const struct meeting *m)
{
	struct daemon *d = g->daemon;
	const struct guard_terms terms = guest_terms(&g->policy);
	const struct guard_news restoring = {.event = GUARD_RESTORING};
	int64_t now_ms = daemon_now_ms();
	struct fault f;

	if (guard_add(d->guards, &g->guard, g->name, &terms, &d->slots, now_ms, &f) < 0) {
		g->stage = GUEST_NEW; /* tried again with the next list */
		return;
	}
	g->stage = GUEST_GUARDED;
	for (uint64_t i = m->count > HISTORY ? m->count - HISTORY : 0; i < m->count; i++)
		taken_add(g, &m->taken[i % HISTORY]);
	const struct taken *newest = taken_newest(g);
	if (newest)
		guard_found(&g->guard, newest->number, now_ms - (wall_ms() - newest->time_ms));
	if (restore_find(g)) {
		guard_tell(&g->guard, &restoring, now_ms);
		restore_adopt(g);
	}
	domains_tell(g);
}

static void done(struct job *base)
{
	struct meeting *m = (struct meeting *)base;
	struct guest *g = m->guest;
	struct daemon *d = g->daemon;

	g->meeting = NULL;
	guest_tell_rescue(d, g->name, &m->rescue);
	if (g->stage == GUEST_NEW)
		guard(g, m);
	free(m);
	daemon_step(d);
}

static void leave(struct job *base)
{
	free(base);
}

void meet_begin(struct guest *g)
{
	struct meeting *m = calloc(1, sizeof(*m));
	struct fault ignored;

	if (!m)
		return; /* with the next list */
	*m = (struct meeting){.base = {.run = run, .done = done, .leave = leave},
			      .guest = g,
			      .restoring = restore_find(g),
			      .policy = g->policy};
	snprintf(m->name, sizeof(m->name), "%s", g->name);
	snprintf(m->store, sizeof(m->store), "%s", g->daemon->config.store);
	if (jobs_add(g->daemon->others, &m->base, &ignored) < 0)
		free(m);
	else
		g->meeting = &m->base;
}
