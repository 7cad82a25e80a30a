/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of guests while time goes by: nothing happened, that is the news. */
#include "guest.h"
#include "vmguard/operations.h"

bool guest_is_late(const struct guest *g)
{
	int64_t age_ms = guard_age_ms(&g->guard, daemon_now_ms());

	/* Nothing is lost of one that does not run. */
	return g->guard.present && age_ms > 2 * g->guard.terms.interval_ms;
}

static void tell_late(struct guest *g)
{
	struct event e;

	event_begin(&e, EVENT_CHECKPOINT_LATE, g->name);
	e.checkpoint = g->guard.checkpoint;
	event_number(&e, "age_ms", guard_age_ms(&g->guard, daemon_now_ms()));
	event_number(&e, "interval_ms", g->guard.terms.interval_ms);
	event_say(&e, "its last checkpoint is older than two intervals; it is %s%s%s",
		  guard_state_name(g->guard.state), g->guard.why[0] ? ": " : "", g->guard.why);
	daemon_tell(g->daemon, &e);
}

void guests_report(struct daemon *d)
{
	for (struct guest *g = d->guests; g; g = g->next) {
		bool late = g->stage == GUEST_GUARDED && guest_is_late(g);

		if (late != g->late)
			d->guests_version++;
		if (late && !g->late)
			tell_late(g);
		g->late = late;
		if (g->asked && g->asked->kind == OPERATION_CAPTURE)
			operation_progress(g->asked, capture_progress(g));
	}
}
