/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of a tick:
 *
 *	taken     the checkpoint is there; then what the --keep-… do not keep is deleted
 *	failed    told; the image is closed, and opened again at the next tick
 *	refused   the guest cannot be captured now (paused, migrating): told once, and the tick is
 *	          missed, until it can be
 *	missed    it came while another was worked on
 */
#include "series.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "taken.h"
#include "ticks.h"
#include "vmguard/clock.h"
#include "vmguard/record.h"

enum { LISTEN_MS = 200 }; /* how soon a signal is seen between ticks */

struct series {
	struct session *session;
	const struct arguments *arguments;
	const volatile int *stop;
	struct ticks ticks;
	uint64_t taken, failed, missed, pruned;
	uint64_t prunes_failed;
	uint64_t bytes_written;
	bool guest_gone;
	struct fault refusal; /* the last one that was told; code 0: none */
};

static bool is_over(const struct series *s)
{
	uint64_t count = s->arguments->count;

	return *s->stop || s->guest_gone || (count && s->taken + s->failed >= count);
}

static void lose_guest(struct series *s, struct fault *f)
{
	fault_wrap(f, "the series of %s ends, its guest is gone", s->arguments->name);
	report_fault(f);
	s->guest_gone = true;
}

static void wait_for_tick(struct series *s)
{
	struct fault f;
	int64_t ms;

	while (!*s->stop && !s->guest_gone && (ms = ticks_wait_ms(&s->ticks, monotonic_ms())) > 0) {
		if (ms > LISTEN_MS)
			ms = LISTEN_MS;
		if (!s->session->h)
			sleep_us(ms * 1000); /* frozen when it was last asked */
		else if (session_idle(s->session, ms, &f) < 0 &&
			 session_check_guest(s->session, &f) < 0)
			lose_guest(s, &f);
	}
}

static void on_taken(struct series *s, const struct capture_result *result)
{
	struct taken t = {
		.result = *result,
		.in_series = true,
		.missed = s->missed,
	};
	struct retention rules = arguments_retention(s->arguments);
	struct fault f;

	t.prunes = retention_is_set(&rules);
	s->refusal.code = 0;
	s->taken++;
	s->bytes_written += result->bytes_written;
	int r = session_prune(s->session, &t.pruned, &f);
	s->pruned += t.pruned;
	taken_print(s->arguments, &t);
	if (r < 0) {
		s->prunes_failed++;
		report_fault(&f);
	}
}

static void on_refused(struct series *s, struct fault *f)
{
	record_explain(s->session->h, f);
	s->missed++;
	if (strcmp(s->refusal.text, f->text) != 0 || !s->refusal.code)
		report_fault(f);
	s->refusal = *f;
}

static void on_failed(struct series *s, const struct fault *f)
{
	struct fault gone;

	report_fault(f);
	session_close_image(s->session);
	if (*s->stop && f->code == -ECANCELED)
		return; /* as was asked for */
	s->failed++;
	s->refusal.code = 0;
	if (session_check_guest(s->session, &gone) < 0)
		lose_guest(s, &gone);
}

static void work_off_tick(struct series *s)
{
	struct capture_result result;
	struct fault f;
	int r = session_open(s->session, &f);

	if (!r)
		r = session_capture(s->session, &result, &f);
	if (!r)
		on_taken(s, &result);
	else if (r == -EPERM && s->session->image)
		on_refused(s, &f);
	else
		on_failed(s, &f);
	if (!is_over(s)) /* what comes after the last one was not asked for */
		s->missed += ticks_pass(&s->ticks, monotonic_ms());
}

static void print_summary(const struct series *s)
{
	char size[16];

	if (!s->arguments->json) {
		printf("%s: %" PRIu64 " checkpoints taken, %" PRIu64 " failed, %" PRIu64
		       " ticks missed, %" PRIu64 " deleted, %s written\n",
		       s->arguments->name, s->taken, s->failed, s->missed, s->pruned,
		       format_bytes(s->bytes_written, size));
		return;
	}
	struct json_object *o = json_object_new_object();
	json_add_text(o, "guest", s->arguments->name);
	json_add_number(o, "taken", s->taken);
	json_add_number(o, "failed", s->failed);
	json_add_number(o, "missed", s->missed);
	json_add_number(o, "pruned", s->pruned);
	json_add_number(o, "bytes_written", s->bytes_written);
	json_print(o);
}

int series_run(struct session *session, const struct arguments *a)
{
	struct series s = {
		.session = session,
		.arguments = a,
		.stop = interrupt_catch("\nending the series; a snapshot under way is dropped "
					"when QEMU has finished it\n"),
		.ticks = {.first_ms = monotonic_ms(), .every_ms = a->every_ms},
	};

	session->terms.capture.stop = s.stop;
	while (!is_over(&s)) {
		wait_for_tick(&s);
		if (!is_over(&s))
			work_off_tick(&s);
	}
	print_summary(&s);
	bool as_asked = !s.failed && !s.prunes_failed && !s.guest_gone &&
			(!a->count || s.taken == a->count);
	return as_asked ? EXIT_DONE : EXIT_FAILED;
}
