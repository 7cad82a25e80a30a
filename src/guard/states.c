/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "guard/steps.h"

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const char *const state_names[] = {
	"absent", "watching",	"waiting",  "capturing", "refused", "failing",
	"lost",	  "continuing", "settling", "down",	 "stopped", "unprotected",
};
_Static_assert(ARRAY_LENGTH(state_names) == GUARD_STATES, "each state has a name");

static const char *const event_names[] = {
	"appeared", "shut down",      "destroyed",	 "saved",    "migrated",       "died",
	"changed",  "removed",	      "restoring",	 "asked",    "time",	       "slot",
	"captured", "capture failed", "capture refused", "restored", "restore failed",
};
_Static_assert(ARRAY_LENGTH(event_names) == GUARD_EVENTS, "each event has a name");

const char *guard_state_name(enum guard_state state)
{
	return state_names[state];
}

const char *guard_event_name(enum guard_event event)
{
	return event_names[event];
}

/* The states in which it runs and has no job. */
#define WATCHED_CELLS                                                  \
	[GUARD_APPEARED] = guard_keep, [GUARD_SHUT_DOWN] = guard_stop, \
	[GUARD_DESTROYED] = guard_stop, [GUARD_SAVED] = guard_stop,    \
	[GUARD_MIGRATED] = guard_go_away, [GUARD_DIED] = guard_lose,   \
	[GUARD_CHANGED] = guard_rearm, [GUARD_REMOVED] = guard_leave

/* Those in which none runs; what is told of its end comes late, or of a restore that cleaned up. */
#define ENDED_CELLS                                                             \
	[GUARD_SHUT_DOWN] = guard_note_end, [GUARD_DESTROYED] = guard_note_end, \
	[GUARD_SAVED] = guard_note_end, [GUARD_MIGRATED] = guard_note_end,      \
	[GUARD_DIED] = guard_note_end, [GUARD_REMOVED] = guard_leave

static guard_step *const steps[GUARD_STATES][GUARD_EVENTS] = {
	/* Where its end was not seen, libvirt can still know of it. */
	[GUARD_ABSENT] = {[GUARD_APPEARED] = guard_appear,
			  [GUARD_SHUT_DOWN] = guard_stop,
			  [GUARD_DESTROYED] = guard_stop,
			  [GUARD_SAVED] = guard_stop,
			  [GUARD_MIGRATED] = guard_keep,
			  [GUARD_DIED] = guard_lose,
			  [GUARD_RESTORING] = guard_find_restoring,
			  [GUARD_CHANGED] = guard_keep,
			  [GUARD_REMOVED] = guard_leave},
	[GUARD_WATCHING] = {WATCHED_CELLS, [GUARD_TIME] = guard_queue, [GUARD_ASKED] = guard_hurry},
	[GUARD_WAITING] = {WATCHED_CELLS, [GUARD_SLOT] = guard_begin_capture},
	[GUARD_CAPTURING] = {[GUARD_APPEARED] = guard_keep,
			     [GUARD_SHUT_DOWN] = guard_interrupt,
			     [GUARD_DESTROYED] = guard_interrupt,
			     [GUARD_SAVED] = guard_interrupt,
			     [GUARD_MIGRATED] = guard_interrupt,
			     [GUARD_DIED] = guard_interrupt,
			     [GUARD_CHANGED] = guard_keep,
			     [GUARD_REMOVED] = guard_interrupt,
			     [GUARD_CAPTURED] = guard_take_checkpoint,
			     [GUARD_CAPTURE_FAILED] = guard_fail,
			     [GUARD_CAPTURE_REFUSED] = guard_refuse},
	[GUARD_REFUSED] = {WATCHED_CELLS, [GUARD_TIME] = guard_queue, [GUARD_ASKED] = guard_hurry},
	[GUARD_FAILING] = {WATCHED_CELLS, [GUARD_TIME] = guard_queue, [GUARD_ASKED] = guard_hurry},
	[GUARD_LOST] = {ENDED_CELLS, [GUARD_APPEARED] = guard_note_start,
			[GUARD_CHANGED] = guard_reconsider, [GUARD_TIME] = guard_try_again,
			[GUARD_ASKED] = guard_try_again},
	[GUARD_CONTINUING] = {[GUARD_APPEARED] = guard_note_domain,
			      [GUARD_SHUT_DOWN] = guard_note_domain,
			      [GUARD_DESTROYED] = guard_note_domain,
			      [GUARD_SAVED] = guard_note_domain,
			      [GUARD_MIGRATED] = guard_note_domain,
			      [GUARD_DIED] = guard_note_domain,
			      [GUARD_CHANGED] = guard_keep,
			      [GUARD_REMOVED] = guard_release,
			      [GUARD_RESTORED] = guard_continued,
			      [GUARD_RESTORE_FAILED] = guard_not_continued},
	[GUARD_SETTLING] = {[GUARD_APPEARED] = guard_settle_differently,
			    [GUARD_SHUT_DOWN] = guard_settle_differently,
			    [GUARD_DESTROYED] = guard_settle_differently,
			    [GUARD_SAVED] = guard_settle_differently,
			    [GUARD_MIGRATED] = guard_settle_differently,
			    [GUARD_DIED] = guard_settle_differently,
			    [GUARD_CHANGED] = guard_keep,
			    [GUARD_REMOVED] = guard_settle_differently,
			    [GUARD_CAPTURED] = guard_settle,
			    [GUARD_CAPTURE_FAILED] = guard_settle,
			    [GUARD_CAPTURE_REFUSED] = guard_settle,
			    [GUARD_RESTORED] = guard_settle,
			    [GUARD_RESTORE_FAILED] = guard_settle},
	[GUARD_DOWN] = {ENDED_CELLS, [GUARD_APPEARED] = guard_appear,
			[GUARD_CHANGED] = guard_reconsider, [GUARD_ASKED] = guard_raise},
	[GUARD_STOPPED] =
		{ENDED_CELLS, [GUARD_APPEARED] = guard_appear, [GUARD_CHANGED] = guard_keep},
	/* GUARD_UNPROTECTED: none, it is out of the daemon's hands. */
};

guard_step *guard_step_for(enum guard_state state, enum guard_event event)
{
	return steps[state][event];
}

void guard_line(const struct guard *g, const struct guard_transition *t,
		char line[GUARD_LINE_BYTES])
{
	snprintf(line, GUARD_LINE_BYTES,
		 t->detail[0] ? "guest=%s %s -> %s (%s)" : "guest=%s %s -> %s", g->name,
		 state_names[t->from], state_names[t->to], t->detail);
}
