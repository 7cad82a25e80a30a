/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/session.h"

#include <errno.h>

#include "vmguard/clock.h"
#include "vmguard/cpus.h"

static int guard(void *session, bool armed, struct fault *f)
{
	struct session *s = session;
	int r = s->waker.pid ? 0 : waker_start(&s->waker, &s->terms.monitor, s->h, f);

	return r < 0 ? r : waker_arm(&s->waker, armed, f);
}

void session_init(struct session *s, const struct session_terms *terms)
{
	*s = (struct session){.terms = *terms, .waker = {.channel = -1}};
	s->terms.capture.guard = guard;
	s->terms.capture.guard_context = s;
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
	struct fault still;

	hypervisor_close(give(s->h));
	if (waker_end(&s->waker, &still) < 0)
		s->terms.tell(s->terms.context, &still);
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
	const char *text = s->terms.transfer_cpus;
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
	int r = s->store ? 0
			 : store_open_with_key(s->terms.store, s->terms.key_file,
					       s->terms.encrypt_new, &s->store, f);

	if (!r)
		r = image_open(s->store, s->terms.guest, &s->image, f);
	if (r < 0)
		return r;
	if (image_damage(s->image)) {
		struct fault damage = *image_damage(s->image);

		fault_wrap(&damage,
			   "the last checkpoint of %s is damaged, the next one will be whole",
			   s->terms.guest);
		s->terms.tell(s->terms.context, &damage);
	}
	if (s->terms.whole && !s->opened_before)
		image_forget_pages(s->image);
	s->opened_before = true;
	return 0;
}

int session_open_monitor(struct session *s, struct fault *f)
{
	return s->h ? 0 : monitor_open(&s->terms.monitor, &s->h, f);
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

int session_capture(struct session *s, struct capture_result *result, struct fault *f)
{
	int r = session_idle(s, 0, f); /* what QEMU said before is not about this one */

	if (!r)
		r = capture_run(s->h, s->image, &s->terms.capture, result, f);
	/* It could not be let go on; that is not forgotten until the next one. */
	if (s->waker.armed)
		close_monitor(s);
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
	r = monitor_open(&s->terms.monitor, &s->h, f);
	return r == -ETIMEDOUT || r == -EHOSTUNREACH ? 0 : r;
}

struct pruning {
	struct session *session;
	uint64_t gone;
};

static int on_choice(void *context, const struct retention_choice *choice)
{
	struct pruning *p = context;
	struct session *s = p->session;

	if (choice->reason)
		return 0;
	leftovers_remove(s->terms.guest, &choice->disks, s->h, s->terms.tell, s->terms.context);
	p->gone++;
	return 0;
}

int session_prune(struct session *s, uint64_t *pruned, struct fault *f)
{
	struct pruning pruning = {.session = s};
	const struct prune_options options = {
		.rules = s->terms.keep,
		.each = on_choice,
		.context = &pruning,
	};

	*pruned = 0;
	if (!retention_is_set(&options.rules))
		return 0;
	int r = retention_prune(s->store, s->terms.guest, s->image, &options, f);
	*pruned = pruning.gone;
	return r;
}
