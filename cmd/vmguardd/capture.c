/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One capture of a guest, in a worker, with what is kept open between captures. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "vmguard/clock.h"

struct capture_job {
	struct job base;
	struct guest *guest; /* the loop's: only done() looks at it */
	struct kept *kept;
	struct capture_result result;
	uint64_t pruned;
	struct fault fault, prune_fault; /* code 0: none */
	atomic_uint thousandths;	 /* that are done */
	atomic_ullong spool_bytes;	 /* in use */
};

/* ---- what is kept open -------------------------------------------------------------------- */

/* Damage that was found, what could not be removed: told when the capture is over. */
static void note_fault(void *kept, const struct fault *f)
{
	((struct kept *)kept)->told = *f;
}

/* What is free in memory for one capture where all run at once that may. */
static uint64_t spool_of(const struct config *c, const struct policy *p)
{
	uint64_t share = c->spool_bytes / c->captures_per_host;

	return p->spool_bytes && p->spool_bytes < share ? p->spool_bytes : share;
}

static struct session_terms terms_of(struct kept *k)
{
	const struct policy *p = &k->policy;

	return (struct session_terms){
		.monitor = {.qmp = p->qmp[0] ? p->qmp : NULL,
			    .domain = p->domain[0] ? p->domain : NULL,
			    .connect = p->connect[0] ? p->connect : NULL},
		.store = k->store,
		.guest = k->guest,
		.key_file = p->key_file[0] ? p->key_file : NULL,
		.encrypt_new = p->key_file[0],
		.keep = p->keep,
		.capture = {.spool_bytes = k->spool_bytes,
			    .max_rate = p->max_rate,
			    .without_disks = p->without_disks},
		.tell = note_fault,
		.context = k,
	};
}

struct kept *kept_new(const struct guest *g)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->policy = g->policy;
	k->spool_bytes = spool_of(&g->daemon->config, &g->policy);
	snprintf(k->guest, sizeof(k->guest), "%s", g->name);
	snprintf(k->store, sizeof(k->store), "%s", g->daemon->config.store);
	snprintf(k->run_directory, sizeof(k->run_directory), "%s", g->daemon->config.run_directory);
	const struct session_terms terms = terms_of(k);
	session_init(&k->session, &terms);
	return k;
}

void kept_free(struct kept *k)
{
	if (!k)
		return;
	session_close(&k->session);
	free(k);
}

/* ---- the job ------------------------------------------------------------------------------ */

static void on_progress(void *context, const struct capture_progress *p)
{
	struct capture_job *c = context;

	if (p->pages_total)
		atomic_store(&c->thousandths, (unsigned)(p->pages_done * 1000 / p->pages_total));
	atomic_store(&c->spool_bytes, p->spool_bytes);
}

static int capture(struct capture_job *c)
{
	struct session *s = &c->kept->session;

	s->terms.capture.stop = &c->base.stop;
	s->terms.capture.progress = on_progress;
	s->terms.capture.progress_context = c;
	int r = session_open(s, &c->fault);
	if (!r)
		r = session_capture(s, &c->result, &c->fault);
	if (!r && session_prune(s, &c->pruned, &c->prune_fault) < 0)
		return 0;
	if (r < 0 && (r != -EPERM || !s->image))
		session_close(s); /* the next one connects anew */
	return r;
}

static int run(struct job *base)
{
	struct capture_job *c = (struct capture_job *)base;
	const struct kept *k = c->kept;

	begun_write(k);
	int r = capture(c);
	begun_remove(k->run_directory, k->guest);
	return r;
}

static void leave(struct job *base)
{
	struct capture_job *c = (struct capture_job *)base;

	kept_free(c->kept);
	free(c);
}

static void tell_failure(struct guest *g, const struct capture_job *c)
{
	bool refused = c->base.result == -EPERM || c->base.result == -ECANCELED;
	const struct guard_news news = {
		.event = refused ? GUARD_CAPTURE_REFUSED : GUARD_CAPTURE_FAILED,
		.why = c->fault.code ? c->fault.text : "it was cancelled",
	};

	figures_failure(g->daemon, c->base.result);
	requests_end(g, 0, news.why);
	guard_tell(&g->guard, &news, daemon_now_ms());
}

/* Once, however often it is so. */
static void warn(struct guest *g, const struct fault *f)
{
	struct event e;

	if (!strcmp(g->warned, f->text))
		return;
	snprintf(g->warned, sizeof(g->warned), "%s", f->text);
	event_begin(&e, EVENT_CAPTURE_WARNED, g->name);
	event_say(&e, "%s", f->text);
	daemon_tell(g->daemon, &e);
}

static void tell_warnings(struct guest *g, struct capture_job *c)
{
	if (c->prune_fault.code)
		warn(g, &c->prune_fault);
	else if (c->kept->told.code)
		warn(g, &c->kept->told);
	else if (c->base.result == 0)
		g->warned[0] = '\0';
	c->kept->told.code = 0;
}

static void tell_checkpoint(struct guest *g, const struct capture_job *c)
{
	const struct guard_news news = {.event = GUARD_CAPTURED, .checkpoint = c->result.id.number};

	const struct capture_result *r = &c->result;
	const struct taken taken = {
		.number = r->id.number,
		.time_ms = wall_ms() - r->total_ms,
		.pause_us = r->pause_us,
		.duration_ms = r->total_ms,
		.memory_bytes = r->memory_bytes,
		.bytes_written = r->bytes_written,
	};

	taken_add(g, &taken);
	figures_capture(g->daemon, &taken);
	g->written_bytes += r->bytes_written;
	requests_end(g, r->id.number, NULL);
	guard_tell(&g->guard, &news, daemon_now_ms());
}

/* What is open of a guest that is gone, or has another policy now, is closed. */
static bool is_of_use(const struct guest *g, const struct kept *k)
{
	bool runs = g->guard.state == GUARD_WATCHING || g->guard.state == GUARD_REFUSED ||
		    g->guard.state == GUARD_FAILING || g->guard.state == GUARD_WAITING;

	return runs && k->policy.generation == g->policy.generation;
}

static void done(struct job *base)
{
	struct capture_job *c = (struct capture_job *)base;
	struct guest *g = c->guest;
	struct daemon *d = g->daemon;
	struct kept *kept = c->kept;

	g->capture = NULL;
	g->kept = kept;
	if (base->result == 0)
		tell_checkpoint(g, c);
	else
		tell_failure(g, c);
	tell_warnings(g, c);
	free(c);
	if (!is_of_use(g, kept))
		capture_forget(g);
	daemon_step(d);
}

int capture_begin(struct guest *g, struct fault *f)
{
	struct capture_job *c = calloc(1, sizeof(*c));

	if (c && !g->kept)
		g->kept = kept_new(g);
	if (!c || !g->kept) {
		free(c);
		return fault_errno(f, -ENOMEM, "capture %s", g->name);
	}
	*c = (struct capture_job){
		.base = {.run = run, .done = done, .leave = leave}, .guest = g, .kept = g->kept};
	int r = jobs_add(g->daemon->captures, &c->base, f);
	if (r < 0) {
		free(c);
		return r;
	}
	g->kept = NULL;
	g->capture = &c->base;
	return 0;
}

double capture_progress(const struct guest *g)
{
	const struct capture_job *c = (const struct capture_job *)g->capture;

	return c ? atomic_load(&c->thousandths) / 1000.0 : -1;
}

uint64_t capture_spool_bytes(const struct guest *g)
{
	const struct capture_job *c = (const struct capture_job *)g->capture;

	return c ? atomic_load(&c->spool_bytes) : 0;
}

void capture_stop(struct guest *g)
{
	if (g->capture)
		jobs_cancel(g->daemon->captures, g->capture);
}

/* ---- closing ------------------------------------------------------------------------------ */

struct closing {
	struct job base;
	struct kept *kept;
};

static int run_closing(struct job *base)
{
	kept_free(((struct closing *)base)->kept);
	return 0;
}

static void free_closing(struct job *base)
{
	free(base);
}

void capture_forget(struct guest *g)
{
	struct closing *c = g->kept ? calloc(1, sizeof(*c)) : NULL;
	struct fault ignored;

	if (!c)
		return; /* without memory it stays open until the next capture */
	*c = (struct closing){
		.base = {.run = run_closing, .done = free_closing, .leave = free_closing},
		.kept = g->kept};
	if (jobs_add(g->daemon->others, &c->base, &ignored) < 0)
		free(c);
	else
		g->kept = NULL;
}
