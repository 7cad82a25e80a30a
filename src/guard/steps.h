/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the cells of the table do. Each is called with the guest in the state of its row. */
#pragma once

#include "vmguard/guard.h"

struct guards {
	struct guard_sink *sink;
	struct schedule *schedule;
};

typedef void guard_step(struct guard *g, const struct guard_news *n, int64_t now_ms);

/* NULL: the cell is empty, it must not happen. */
guard_step *guard_step_for(enum guard_state state, enum guard_event event);

guard_step guard_keep;		/* nothing changes */
guard_step guard_appear;	/* it is watched */
guard_step guard_queue;		/* it is due */
guard_step guard_hurry;		/* a person cannot wait for the timer */
guard_step guard_begin_capture; /* it has a slot */
guard_step guard_take_checkpoint, guard_fail, guard_refuse;
guard_step guard_stop, guard_go_away; /* without a job */
guard_step guard_lose;		      /* its QEMU died: goes on, or is down */
guard_step guard_try_again;	      /* lost: the timer is over */
guard_step guard_raise;		      /* down: a person wants it to go on */
guard_step guard_note_start;	      /* lost: somebody starts it */
guard_step guard_note_end;	      /* of a domain that is not protected now */
guard_step guard_interrupt;	      /* it ended, or is to be left alone, during its capture */
guard_step guard_find_restoring;      /* absent: it is continuing already */
guard_step guard_note_domain;	      /* while continuing */
guard_step guard_continued, guard_not_continued;
guard_step guard_release;		  /* while continuing: nobody wants it protected any more */
guard_step guard_settle_differently;	  /* settling: something else follows */
guard_step guard_settle;		  /* settling: the job is over */
guard_step guard_rearm, guard_reconsider; /* other terms */
guard_step guard_leave;
