/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/standstill.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/clock.h"

static int64_t now_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

/* Who lets the guest run where we cannot any more. */
static int guard(struct standstill *s, bool armed, struct fault *f)
{
	const struct capture_options *o = s->options;

	return o->guard ? o->guard(o->guard_context, armed, f) : 0;
}

void standstill_is_over(struct standstill *s)
{
	struct fault ignored;

	if (s->stopped)
		guard(s, false, &ignored);
	s->stopped = false;
}

static int stop(struct standstill *s, struct fault *f)
{
	if (!s->ran)
		return 0;
	int r = guard(s, true, f);
	if (r < 0)
		return r;
	/* An order whose answer is lost may have been carried out. */
	s->stopped = true;
	s->sent_us = now_us();
	return hypervisor_execute(s->h, "stop", NULL, NULL, f);
}

static int cont(struct standstill *s, struct fault *f)
{
	int r = hypervisor_execute(s->h, "cont", NULL, NULL, f);

	if (r < 0)
		return fault_wrap(f, "the guest stands still and could not be told to go on (cont, "
				     "virsh resume)");
	standstill_is_over(s);
	return 0;
}

/* Both went wrong: that the guest stands still is what matters, where there still is one. */
static int go_on(struct standstill *s, struct fault *f)
{
	struct fault still;
	size_t end = strlen(f->text);

	if (s->stopped && cont(s, &still) < 0 && still.code != -ECONNRESET)
		snprintf(f->text + end, sizeof(f->text) - end, "; besides, %s", still.text);
	return f->code;
}

int standstill_begin(struct standstill *s, struct fault *f)
{
	if (!standstill_is_needed(s))
		return 0;
	int r = stop(s, f);
	s->stopped_us = now_us();
	if (!r)
		r = disks_take(s->h, &s->disks, s->ready, s->name, f);
	s->disks_us = now_us();
	/* One whose answer is lost may have made them. */
	s->taken = !r || r == -ETIMEDOUT || r == -ECONNRESET;
	return r < 0 ? go_on(s, f) : 0;
}

/*
 * Asking comes first: QEMU leaves the guest stopped from its main loop, which has answered then. A
 * cont that is faster would be undone, and QEMU would say "paused" of a guest that runs.
 */
int standstill_end(struct standstill *s, struct fault *f)
{
	char state[32];

	if (!s->stopped)
		return 0;
	int r = hypervisor_run_state(s->h, state, f);
	if (r < 0)
		return r;
	if (strcmp(state, "paused") != 0) {
		standstill_is_over(s);
		return 0;
	}
	s->cont_us = now_us();
	return cont(s, f);
}

void standstill_undo(struct standstill *s)
{
	if (s->taken)
		disks_remove(&s->disks, s->h, NULL, NULL);
	s->taken = false;
}

void standstill_keep(struct standstill *s)
{
	s->taken = false;
}

void standstill_clear(struct standstill *s)
{
	disks_ready_free(s->ready);
	s->ready = NULL;
	disk_list_clear(&s->disks);
}

int standstill_check(const struct standstill *s, int64_t early_us, struct fault *f)
{
	if (!s->taken || early_us < s->sent_us || !early_us)
		return 0;
	return fault_set(f, -EPERM,
			 "somebody let the guest go on while it stood still for its disks (virsh "
			 "resume, or a save that was refused): they do not match its memory, the "
			 "checkpoint was dropped");
}

static int64_t between(int64_t from, int64_t to)
{
	return from && to > from ? to - from : 0;
}

struct pause_parts standstill_parts(const struct standstill *s, int64_t stop_us, int64_t first_us,
				    int64_t resume_us)
{
	struct pause_parts p = {0};

	if (!s->ran || !s->taken || resume_us <= stop_us)
		return p;
	/* Where QEMU goes on by itself that may be before we have seen the page. */
	int64_t protected_us = first_us && first_us < resume_us ? first_us : resume_us;
	int64_t cont_us = s->cont_us && s->cont_us < resume_us ? s->cont_us : protected_us;

	p.stop_us = between(stop_us, s->stopped_us);
	p.disks_us = between(s->stopped_us, s->disks_us);
	p.devices_us = between(s->disks_us, protected_us);
	p.resume_us = between(cont_us, resume_us);
	p.own_us =
		between(p.stop_us + p.disks_us + p.devices_us + p.resume_us, resume_us - stop_us);
	return p;
}
