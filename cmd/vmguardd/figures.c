/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /metrics: what is counted while it happens, and how everything is now. */
#include <errno.h>
#include <string.h>

#include "serve.h"
#include "vmguard/metrics.h"
#include "vmguard/webhook.h"

static const char *const reasons[FAILURE_REASONS] = {
	"store_full", "store_away", "refused", "cancelled", "timeout", "guest_gone", "other",
};

/* ---- counting ------------------------------------------------------------------------------- */

static void count_event(struct event_sink *sink, const struct event *e)
{
	struct figures *figures = (struct figures *)sink;

	figures->events[e->kind]++;
}

void figures_open(struct daemon *d)
{
	static const double pauses[] = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5};
	static const double durations[] = {.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300};

	histogram_init(&d->figures.pause, pauses, sizeof(pauses) / sizeof(pauses[0]));
	histogram_init(&d->figures.duration, durations, sizeof(durations) / sizeof(durations[0]));
	d->figures.sink.event = count_event;
	events_add_sink(d->events, &d->figures.sink);
}

void figures_capture(struct daemon *d, const struct taken *t)
{
	histogram_add(&d->figures.pause, (double)t->pause_us / 1e6);
	histogram_add(&d->figures.duration, (double)t->duration_ms / 1e3);
	d->figures.written_bytes += t->bytes_written;
}

static enum failure_reason reason_of(int code)
{
	switch (-code) {
	case ENOSPC:
	case EDQUOT:
		return FAILURE_STORE_FULL;
	case EIO:
	case EHOSTUNREACH:
		return FAILURE_STORE_AWAY;
	case EPERM:
		return FAILURE_REFUSED;
	case ECANCELED:
		return FAILURE_CANCELLED;
	case ETIMEDOUT:
		return FAILURE_TIMEOUT;
	case ENOENT:
	case ESRCH:
	case ENOTCONN:
	case ECONNREFUSED:
	case ECONNRESET:
		return FAILURE_GUEST_GONE;
	default:
		return FAILURE_OTHER;
	}
}

void figures_failure(struct daemon *d, int code)
{
	d->figures.failures[reason_of(code)]++;
}

/* ---- of the host ---------------------------------------------------------------------------- */

/* One figure without labels. */
static void one(struct metrics *m, const char *name, enum metric_type type, const char *help,
		double value)
{
	metrics_family(m, name, type, help);
	metrics_number(m, NULL, value);
}

static void write_states(struct metrics *m, const struct daemon *d)
{
	unsigned counts[GUARD_STATES] = {0};

	for (const struct guest *g = d->guests; g; g = g->next)
		if (g->stage == GUEST_GUARDED)
			counts[g->guard.state]++;
	metrics_family(m, "vmguard_guests", METRIC_GAUGE, "Protected guests by state.");
	for (int i = 0; i < GUARD_STATES; i++)
		metrics_number(m, LABELS({"state", guard_state_name(i)}), counts[i]);
}

static void write_libvirt(void *metrics, const char *uri, bool up)
{
	metrics_number(metrics, LABELS({"uri", uri}), up);
}

static void write_captures(struct metrics *m, const struct daemon *d)
{
	one(m, "vmguard_captures_running", METRIC_GAUGE, "Captures under way.",
	    guards_capturing(d->guards));
	one(m, "vmguard_captures_waiting", METRIC_GAUGE, "Guests that are due and have no slot.",
	    (double)guards_waiting(d->guards));
	one(m, "vmguard_captures_limit", METRIC_GAUGE, "Captures that may run at once.",
	    (double)d->config.captures_per_host);
	one(m, "vmguard_spool_bytes", METRIC_GAUGE, "Memory that waits for the store.",
	    (double)guests_spool_bytes(d));
	one(m, "vmguard_spool_limit_bytes", METRIC_GAUGE, "The most that it may be.",
	    (double)d->config.spool_bytes);
	metrics_family(m, "vmguard_capture_pause_seconds", METRIC_HISTOGRAM,
		       "How long guests stood still for a checkpoint.");
	metrics_histogram(m, &d->figures.pause);
	metrics_family(m, "vmguard_capture_duration_seconds", METRIC_HISTOGRAM,
		       "How long captures took, the guest running.");
	metrics_histogram(m, &d->figures.duration);
	one(m, "vmguard_capture_written_bytes_total", METRIC_COUNTER, "Written to the store.",
	    (double)d->figures.written_bytes);
	metrics_family(m, "vmguard_capture_failures_total", METRIC_COUNTER,
		       "Captures without a checkpoint, by reason.");
	for (int i = 0; i < FAILURE_REASONS; i++)
		metrics_number(m, LABELS({"reason", reasons[i]}), (double)d->figures.failures[i]);
}

static void write_events(struct metrics *m, const struct daemon *d)
{
	metrics_family(m, "vmguard_events_total", METRIC_COUNTER, "Events by kind.");
	for (int i = 0; i < EVENT_KINDS; i++)
		metrics_number(m, LABELS({"kind", event_kind_name(i)}),
			       (double)d->figures.events[i]);
}

enum webhook_figure { WAITING, DELIVERED, DROPPED, FAILING };

static double webhook_figure(const struct daemon *d, size_t i, enum webhook_figure which)
{
	struct webhook_status s;

	webhooks_status(d->webhooks, i, &s);
	switch (which) {
	case WAITING:
		return (double)s.waiting;
	case DELIVERED:
		return (double)s.delivered;
	case DROPPED:
		return (double)s.dropped;
	default:
		return s.failures != 0;
	}
}

static void write_webhooks(struct metrics *m, const struct daemon *d)
{
	static const struct {
		const char *name, *help;
		enum metric_type type;
	} families[] = {
		[WAITING] = {"vmguard_webhook_waiting_events", "Events on disk for it.",
			     METRIC_GAUGE},
		[DELIVERED] = {"vmguard_webhook_delivered_total", "Events that it took.",
			       METRIC_COUNTER},
		[DROPPED] = {"vmguard_webhook_dropped_total",
			     "Events that its queue had no room for.", METRIC_COUNTER},
		[FAILING] = {"vmguard_webhook_failing", "Whether it takes none now.", METRIC_GAUGE},
	};

	for (int f = WAITING; f <= FAILING; f++) {
		metrics_family(m, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < d->webhook_count; i++)
			metrics_number(m, LABELS({"webhook", d->config.webhooks[i].name}),
				       webhook_figure(d, i, f));
	}
}

static void write_api(struct metrics *m, const struct daemon *d)
{
	struct api_counts counts;

	api_counts(d->api, &counts);
	one(m, "vmguard_api_connections", METRIC_GAUGE, "Open connections.", counts.connections);
	one(m, "vmguard_api_requests_total", METRIC_COUNTER, "Requests answered.",
	    (double)counts.requests);
	one(m, "vmguard_api_refused_total", METRIC_COUNTER, "Of these, with 4xx or 5xx.",
	    (double)counts.refused);
}

static void write_host(struct metrics *m, const struct daemon *d)
{
	metrics_family(m, "vmguard_build_info", METRIC_GAUGE, "1, and which version this is.");
	metrics_number(m, LABELS({"version", VMGUARD_VERSION}), 1);
	one(m, "vmguard_start_time_seconds", METRIC_GAUGE, "When it was started, since 1970.",
	    (double)d->started_ms / 1e3);
	one(m, "vmguard_store_up", METRIC_GAUGE, "Whether policies could be read the last time.",
	    !d->store_away);
	metrics_family(m, "vmguard_libvirt_up", METRIC_GAUGE, "Whether there is a connection.");
	domains_each(d, write_libvirt, m);
	write_states(m, d);
	write_captures(m, d);
	write_events(m, d);
	write_webhooks(m, d);
	write_api(m, d);
}

/* ---- of guests ------------------------------------------------------------------------------ */

/* A figure of a guest; negative: it has none. */
typedef double guest_figure(const struct guest *g);

static double interval(const struct guest *g)
{
	return (double)g->policy.interval_ms / 1e3;
}

static double age(const struct guest *g)
{
	return (double)guard_age_ms(&g->guard, daemon_now_ms()) / 1e3;
}

static double slips(const struct guest *g)
{
	return (double)g->guard.schedule.missed;
}

static double captures(const struct guest *g)
{
	return (double)g->guard.captures;
}

static double failures(const struct guest *g)
{
	return (double)g->guard.captures_failed;
}

static double refusals(const struct guest *g)
{
	return (double)g->guard.captures_refused;
}

static double restarts(const struct guest *g)
{
	return (double)g->guard.restarts;
}

static double written(const struct guest *g)
{
	return (double)g->written_bytes;
}

static double last_pause(const struct guest *g)
{
	const struct taken *t = taken_newest(g);

	return t ? (double)t->pause_us / 1e6 : -1;
}

static double last_duration(const struct guest *g)
{
	const struct taken *t = taken_newest(g);

	return t && t->duration_ms ? (double)t->duration_ms / 1e3 : -1;
}

static double last_written(const struct guest *g)
{
	const struct taken *t = taken_newest(g);

	return t ? (double)t->bytes_written : -1;
}

static double memory(const struct guest *g)
{
	const struct taken *t = taken_newest(g);

	return t ? (double)t->memory_bytes : -1;
}

static const struct {
	const char *name, *help;
	enum metric_type type;
	guest_figure *of;
} guest_families[] = {
	{"vmguard_guest_interval_seconds", "Between its checkpoints.", METRIC_GAUGE, interval},
	{"vmguard_guest_rpo_age_seconds", "Age of its last checkpoint.", METRIC_GAUGE, age},
	{"vmguard_guest_slips_total", "Ticks without a checkpoint.", METRIC_COUNTER, slips},
	{"vmguard_guest_captures_total", "Checkpoints taken.", METRIC_COUNTER, captures},
	{"vmguard_guest_capture_failures_total", "Captures that failed.", METRIC_COUNTER, failures},
	{"vmguard_guest_captures_refused_total", "Captures that were refused.", METRIC_COUNTER,
	 refusals},
	{"vmguard_guest_restarts_total", "Times that it was continued here.", METRIC_COUNTER,
	 restarts},
	{"vmguard_guest_written_bytes_total", "Written to the store.", METRIC_COUNTER, written},
	{"vmguard_guest_last_pause_seconds", "Pause of its last checkpoint.", METRIC_GAUGE,
	 last_pause},
	{"vmguard_guest_last_duration_seconds", "Duration of its last capture.", METRIC_GAUGE,
	 last_duration},
	{"vmguard_guest_last_written_bytes", "Size of its last checkpoint.", METRIC_GAUGE,
	 last_written},
	{"vmguard_guest_memory_bytes", "Its RAM.", METRIC_GAUGE, memory},
};

static void write_guests(struct metrics *m, const struct daemon *d)
{
	metrics_family(m, "vmguard_guest_state", METRIC_GAUGE, "1 for the state that it is in.");
	for (const struct guest *g = d->guests; g; g = g->next)
		if (g->stage == GUEST_GUARDED)
			metrics_number(m,
				       LABELS({"guest", g->name},
					      {"state", guard_state_name(g->guard.state)}),
				       1);
	for (size_t i = 0; i < sizeof(guest_families) / sizeof(guest_families[0]); i++) {
		metrics_family(m, guest_families[i].name, guest_families[i].type,
			       guest_families[i].help);
		for (const struct guest *g = d->guests; g; g = g->next) {
			double value = g->stage == GUEST_GUARDED ? guest_families[i].of(g) : -1;

			if (value >= 0)
				metrics_number(m, LABELS({"guest", g->name}), value);
		}
	}
}

void view_metrics(void *daemon, struct api_request *r)
{
	struct metrics *m = metrics_new();
	const char *text = NULL;
	struct fault f;

	if (m) {
		write_host(m, daemon);
		write_guests(m, daemon);
		text = metrics_text(m);
	}
	if (text)
		api_answer_text(r, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	else
		api_answer_fault(r, (fault_errno(&f, -ENOMEM, "write the metrics"), &f));
	metrics_free(m);
}
