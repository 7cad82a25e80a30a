/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "record.h"
#include "vmguard/clock.h"
#include "vmguard/cpus.h"

static void draw(void *session, const struct capture_progress *p)
{
	const struct session *s = session;
	char what[96], note[48];

	snprintf(what, sizeof(what), "snapshot %s", s->arguments->name);
	snprintf(note, sizeof(note), "changed %.0f %%  zero %.0f %%",
		 percent(p->pages_done - p->pages_zero, p->pages_total),
		 percent(p->pages_zero, p->pages_total));
	progress_draw(&(struct progress_bar){
		.what = what,
		.total = p->pages_total,
		.done = p->pages_done,
		.bytes = p->bytes_read,
		.elapsed_ms = p->elapsed_ms,
		.note = note,
	});
}

static int guard(void *session, bool armed, struct fault *f)
{
	struct session *s = session;
	int r = s->waker.pid ? 0 : waker_start(&s->waker, s->arguments, s->h, f);

	return r < 0 ? r : waker_arm(&s->waker, armed, f);
}

void session_init(struct session *s, const struct arguments *a)
{
	*s = (struct session){
		.arguments = a,
		.waker = {.channel = -1},
		.options =
			{
				.spool_bytes = a->spool_bytes,
				.max_rate = a->max_rate,
				.allow_resume = a->allow_resume,
				.without_disks = a->without_disks,
				.guard = guard,
				.guard_context = s,
				.progress = draw,
				.progress_context = s,
			},
	};
}

void session_close_image(struct session *s)
{
	image_close(give(s->image));
	store_close(give(s->store));
}

/* The waker has the connection too, where there is one: QEMU serves the next when both are closed.
 */
static void close_monitor(struct session *s)
{
	hypervisor_close(give(s->h));
	waker_end(&s->waker);
}

void session_close(struct session *s)
{
	session_close_image(s);
	close_monitor(s);
}

/*
 * Before the store is opened: its threads inherit it. What the user named must be possible; our
 * own choice is a kindness to the guest, and is left where it is not.
 */
static int choose_cpus(struct session *s, struct fault *f)
{
	const char *text = s->arguments->transfer_cpus;
	struct fault ignored;
	cpu_set_t set;

	s->cpus_chosen = true;
	if (!text) {
		if (!hypervisor_spare_cpus(s->h, &set, &ignored))
			cpus_use(&set, &ignored);
		return 0;
	}
	int r = cpus_parse(text, &set, f);
	if (!r)
		r = cpus_use(&set, f);
	return r < 0 ? fault_wrap(f, "--transfer-cpus %s", text) : 0;
}

static int open_image(void *context, struct fault *f)
{
	struct session *s = context;
	int r = s->store ? 0 : arguments_open_store(s->arguments, &s->store, f);

	if (!r)
		r = image_open(s->store, s->arguments->name, &s->image, f);
	if (r < 0)
		return r;
	const struct fault *damage = image_damage(s->image);
	if (damage)
		fprintf(stderr,
			"vmguard: the last checkpoint of %s is damaged, the next one will be "
			"whole: "
			"%s\n",
			s->arguments->name, damage->text);
	if (s->arguments->whole && !s->opened_before)
		image_forget_pages(s->image);
	s->opened_before = true;
	return 0;
}

/* Who restores the guest holds the monitor, also where only his keeper is left. */
int session_open_monitor(struct session *s, struct fault *f)
{
	const char *socket = s->arguments->qmp;
	struct fault ignored;
	struct record record;
	struct holder qemu;

	if (s->h)
		return 0;
	int r = monitor_open(s->arguments, &s->h, f);
	if (r != -ETIMEDOUT || !socket || record_find(socket, &qemu, &record, &ignored) < 0)
		return r;
	return fault_set(f, -EPERM,
			 "the guest is still being restored (%u %% is there) and its monitor %s is "
			 "held for that: wait, or where it stands still: vmguard restore --resume",
			 record.percent, socket);
}

int session_open(struct session *s, struct fault *f)
{
	int r = session_open_monitor(s, f);

	if (!r && !s->cpus_chosen)
		r = choose_cpus(s, f);
	if (!r && !s->image) {
		r = cpus_call(open_image, s, f);
		if (r < 0)
			session_close_image(s);
	}
	return r;
}

static void explain_restore(struct hypervisor *h, struct fault *f)
{
	struct fault ignored;
	struct holder qemu;
	struct record record;

	if (!holder_of(hypervisor_pid(h), &qemu, &ignored) &&
	    !record_read(&qemu, &record, &ignored)) {
		size_t end = strlen(f->text);

		snprintf(f->text + end, sizeof(f->text) - end, " (%u %% is)", record.percent);
	}
}

int session_capture(struct session *s, struct capture_result *result, struct fault *f)
{
	int r = session_idle(s, 0, f); /* what QEMU said before is not about this one */

	if (!r)
		r = capture_run(s->h, s->image, &s->options, result, f);
	if (r == -EPERM)
		explain_restore(s->h, f);
	return r;
}

int session_idle(struct session *s, int64_t ms, struct fault *f)
{
	int64_t until_ms = monotonic_ms() + ms;
	struct monitor_event event;
	int r;

	do {
		int64_t left_ms = until_ms - monotonic_ms();

		r = hypervisor_event(s->h, left_ms > 0 ? (int)left_ms : 0, &event, f);
		if (r > 0)
			json_object_put(event.data);
	} while (r > 0);
	return r;
}

/* One that does not answer in time may be frozen, or its libvirtd away: no reason to give it up. */
int session_check_guest(struct session *s, struct fault *f)
{
	char state[32];
	int r = s->h ? hypervisor_run_state(s->h, state, f) : -ENOTCONN;

	if (!r || r == -EREMOTEIO)
		return 0;
	close_monitor(s);
	r = monitor_open(s->arguments, &s->h, f);
	return r == -ETIMEDOUT || r == -EHOSTUNREACH ? 0 : r;
}

struct pruning {
	struct session *session;
	uint64_t gone;
};

static int on_choice(void *context, const struct retention_choice *choice)
{
	struct pruning *p = context;

	if (choice->reason)
		return 0;
	leftovers_remove(p->session->arguments->name, &choice->disks, p->session->h);
	p->gone++;
	return 0;
}

int session_prune(struct session *s, uint64_t *pruned, struct fault *f)
{
	struct pruning pruning = {.session = s};
	const struct prune_options options = {
		.rules = arguments_retention(s->arguments),
		.each = on_choice,
		.context = &pruning,
	};

	*pruned = 0;
	if (!retention_is_set(&options.rules))
		return 0;
	int r = retention_prune(s->store, s->arguments->name, s->image, &options, f);
	*pruned = pruning.gone;
	return r;
}
