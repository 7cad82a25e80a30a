/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Captures and restores that somebody asks for: the guest's guard takes the step that it would
 * have taken by itself, only earlier. The operation is over when the guest's job is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "serve.h"
#include "vmguard/clock.h"
#include "vmguard/operations.h"

static void accept_operation(struct api_request *r, const struct operation *o)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/operations/%" PRIu64, o->id);
	api_answer_header(r, "Location", path);
	api_answer_json(r, 202, operation_json(o));
}

/* Only what a person asked for: the rest has events of its own. */
static void tell(struct guest *g, const struct operation *o)
{
	bool done = o->state == OPERATION_DONE;
	struct event e;

	if (!o->who[0])
		return;
	event_begin(&e, done ? EVENT_OPERATION_DONE : EVENT_OPERATION_FAILED, g->name);
	e.checkpoint = o->checkpoint;
	event_number(&e, "operation", (int64_t)o->id);
	event_say(&e, "operation %" PRIu64 ", asked for by %s, %s%s", o->id, o->who,
		  done ? "is done" : "has failed: ", done ? "" : o->fault);
	daemon_tell(g->daemon, &e);
}

void requests_end(struct guest *g, uint64_t checkpoint, const char *why)
{
	struct operation *o = g->asked;

	if (!o)
		return;
	g->asked = NULL;
	o->checkpoint = checkpoint;
	operation_end(g->daemon->operations, o, why, wall_ms());
	tell(g, o);
}

/* Whether what was asked for is still to come in this state. */
static bool is_at_it(const struct operation *o, enum guard_state s)
{
	if (s == GUARD_SETTLING)
		return true;
	if (o->kind == OPERATION_RESTORE)
		return s == GUARD_CONTINUING || s == GUARD_LOST;
	return s == GUARD_WAITING || s == GUARD_CAPTURING;
}

void requests_moved(struct guest *g)
{
	enum guard_state s = g->guard.state;

	if (g->asked && !is_at_it(g->asked, s))
		requests_end(g, 0, g->guard.why[0] ? g->guard.why : guard_state_name(s));
}

void requests_begin_restore(struct guest *g)
{
	if (!g->asked)
		g->asked = operation_begin(g->daemon->operations, OPERATION_RESTORE, g->name, NULL,
					   wall_ms());
}

/* ---- begin --------------------------------------------------------------------------------- */

static void cancel_capture(void *guest)
{
	struct guest *g = guest;

	if (g->capture)
		capture_stop(g);
	else
		requests_end(g, 0, "cancelled before it began");
}

static bool begin(struct guest *g, enum operation_kind kind, struct api_request *r)
{
	g->asked = operation_begin(g->daemon->operations, kind, g->name, api_who(r), wall_ms());
	if (g->asked && kind == OPERATION_CAPTURE)
		operation_let_cancel(g->asked, cancel_capture, g);
	return g->asked;
}

static void refuse(const struct guest *g, struct api_request *r, const char *what)
{
	struct fault f;

	fault_set(&f, -EPERM, "guest %s is %s%s%s: %s", g->name, guard_state_name(g->guard.state),
		  g->guard.why[0] ? ", " : "", g->guard.why, what);
	api_answer_problem(r, 409, &f);
}

/* Asks its guard, and answers with the operation. */
static void ask(struct guest *g, enum operation_kind kind, struct api_request *r)
{
	const struct guard_news asked = {.event = GUARD_ASKED};
	struct fault f;

	if (!begin(g, kind, r)) {
		fault_errno(&f, -ENOMEM, "an operation of %s", g->name);
		api_answer_fault(r, &f);
		return;
	}
	const struct operation *o = g->asked; /* it may be over at once */
	if (guard_can_be_asked(&g->guard))
		guard_tell(&g->guard, &asked, daemon_now_ms());
	/* else it is at it */
	accept_operation(r, o);
}

static bool has_capture_before_it(const struct guest *g)
{
	enum guard_state s = g->guard.state;

	return s == GUARD_WAITING || s == GUARD_CAPTURING || s == GUARD_WATCHING ||
	       s == GUARD_REFUSED || s == GUARD_FAILING;
}

void request_capture(void *daemon, struct api_request *r)
{
	struct guest *g = serve_guest(daemon, r);

	if (!g)
		return;
	if (g->asked)
		accept_operation(r, g->asked);
	else if (has_capture_before_it(g))
		ask(g, OPERATION_CAPTURE, r);
	else
		refuse(g, r, "only a guest that runs on this host is captured");
}

void request_restore(void *daemon, struct api_request *r)
{
	struct guest *g = serve_guest(daemon, r);

	if (!g)
		return;
	enum guard_state s = g->guard.state;
	if (g->asked)
		accept_operation(r, g->asked);
	else if (s == GUARD_CONTINUING ||
		 ((s == GUARD_DOWN || s == GUARD_LOST) && g->guard.checkpoint))
		ask(g, OPERATION_RESTORE, r);
	else
		refuse(g, r,
		       "this continues only one that is down and has a checkpoint; "
		       "'vmguard restore' takes any other");
}

/* ---- end ----------------------------------------------------------------------------------- */

void request_cancel(void *daemon, struct api_request *r)
{
	struct daemon *d = daemon;
	struct operation *o =
		operations_find(d->operations, strtoull(api_param(r, "id"), NULL, 10));
	struct fault f;

	if (!o) {
		fault_set(&f, -ENOENT, "there is no operation %s: the last %d are kept",
			  api_param(r, "id"), OPERATIONS_ENDED_KEPT);
		api_answer_fault(r, &f);
	} else if (operation_cancel(o, &f) < 0) {
		api_answer_problem(r, 409, &f);
	} else {
		accept_operation(r, o);
	}
}
