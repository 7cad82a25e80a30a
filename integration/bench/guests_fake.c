/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reaches guests, for the bench of the daemon itself: a capture sleeps as long as the store
 * would take, and each guest runs as soon as it is protected.
 */
#include "guests_fake.h"

#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "vmguard/clock.h"

int64_t fake_capture_ms;

struct fake_capture {
	struct job base;
	struct guest *guest;
	int64_t began_ms;
};

static int run(struct job *base)
{
	(void)base;
	sleep_us(fake_capture_ms * 1000);
	return 0;
}

static void done(struct job *base)
{
	struct fake_capture *c = (struct fake_capture *)base;
	struct guest *g = c->guest;
	const struct taken taken = {
		.number = g->guard.checkpoint + 1,
		.time_ms = wall_ms() - fake_capture_ms,
		.pause_us = 12000,
		.duration_ms = monotonic_ms() - c->began_ms,
		.memory_bytes = UINT64_C(4) << 30,
		.bytes_written = 10 << 20,
	};
	const struct guard_news news = {.event = GUARD_CAPTURED, .checkpoint = taken.number};

	g->capture = NULL;
	taken_add(g, &taken);
	figures_capture(g->daemon, &taken);
	guard_tell(&g->guard, &news, daemon_now_ms());
	free(base);
	daemon_step(g->daemon);
}

static void leave(struct job *base)
{
	free(base);
}

int capture_begin(struct guest *g, struct fault *f)
{
	struct fake_capture *c = calloc(1, sizeof(*c));

	if (!c)
		return fault_errno(f, -ENOMEM, "capture %s", g->name);
	*c = (struct fake_capture){.base = {.run = run, .done = done, .leave = leave},
				   .guest = g,
				   .began_ms = monotonic_ms()};
	g->capture = &c->base;
	return jobs_add(g->daemon->captures, &c->base, f);
}

void capture_stop(struct guest *g)
{
	(void)g;
}

double capture_progress(const struct guest *g)
{
	return g->capture ? 0.5 : -1;
}

uint64_t capture_spool_bytes(const struct guest *g)
{
	return g->capture ? 64 << 20 : 0;
}

void capture_forget(struct guest *g)
{
	(void)g;
}

void kept_free(struct kept *k)
{
	(void)k;
}

void meet_begin(struct guest *g)
{
	const struct guard_terms terms = guest_terms(&g->policy);
	struct fault f;

	if (guard_add(g->daemon->guards, &g->guard, g->name, &terms, &g->daemon->slots,
		      daemon_now_ms(), &f) < 0)
		return;
	g->stage = GUEST_GUARDED;
	domains_tell(g);
}

void domains_tell(struct guest *g)
{
	const struct guard_news runs = {.event = GUARD_APPEARED};

	guard_tell(&g->guard, &runs, daemon_now_ms());
}

int domains_watch(struct daemon *d, const struct policy *p, struct fault *f)
{
	(void)d, (void)p, (void)f;
	return 0;
}

void domains_each(const struct daemon *d, void (*each)(void *context, const char *uri, bool up),
		  void *context)
{
	(void)d;
	each(context, "fake:///", true);
}

void domains_free(struct daemon *d)
{
	(void)d;
}
