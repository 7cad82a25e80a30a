/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events, and who gets them: the journal, webhooks, /metrics; followers look for themselves. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon.h"
#include "vmguard/webhook.h"

enum {
	EVENTS_KEPT = 4096,
	LAST_DELIVERY_MS = 1000, /* what is late waits on disk */
};

void daemon_tell(struct daemon *d, struct event *e)
{
	events_add(d->events, e);
}

void daemon_say(struct daemon *d, enum event_kind kind, const char *format, ...)
{
	char sentence[FAULT_TEXT_BYTES];
	va_list arguments;
	struct event e;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	event_begin(&e, kind, NULL);
	event_say(&e, "%s", sentence);
	daemon_tell(d, &e);
}

/* ---- webhooks ------------------------------------------------------------------------------- */

static int on_webhooks(sd_event_source *source, int fd, uint32_t events, void *daemon)
{
	struct daemon *d = daemon;
	struct event e;

	(void)source;
	(void)fd;
	(void)events;
	while (webhooks_news(d->webhooks, &e))
		daemon_tell(d, &e);
	return 0;
}

static int open_webhooks(struct daemon *d, struct fault *f)
{
	struct webhook_target targets[CONFIG_WEBHOOKS_MAX];
	char folder[CONFIG_TEXT_BYTES + 16];
	size_t count = d->config.webhook_count;

	for (size_t i = 0; i < count; i++) {
		const struct config_webhook *w = &d->config.webhooks[i];

		targets[i] = (struct webhook_target){.name = w->name,
						     .url = w->url,
						     .secret_file = w->secret_file,
						     .ca_file = w->ca_file,
						     .severity = w->severity,
						     .queue_bytes = w->queue_bytes,
						     .timeout_ms = w->timeout_ms};
	}
	snprintf(folder, sizeof(folder), "%s/webhooks", d->config.state_directory);
	int r = count ? webhooks_open(folder, targets, count, &d->webhooks, f) : 0;
	if (r < 0 || !count)
		return r;
	d->webhook_count = count;
	events_add_sink(d->events, webhooks_sink(d->webhooks));
	r = sd_event_add_io(d->loop, &d->webhook_news, webhooks_fd(d->webhooks), EPOLLIN,
			    on_webhooks, d);
	return r < 0 ? fault_errno(f, r, "follow webhooks") : 0;
}

static void close_webhooks(struct daemon *d, int64_t limit_ms)
{
	d->webhook_news = sd_event_source_disable_unref(d->webhook_news);
	if (d->webhooks)
		events_remove_sink(d->events, webhooks_sink(d->webhooks));
	webhooks_close(d->webhooks, limit_ms);
	d->webhooks = NULL;
	d->webhook_count = 0;
}

int tell_reopen_webhooks(struct daemon *d, struct fault *f)
{
	close_webhooks(d, 0);
	return open_webhooks(d, f);
}

/* ---- all ------------------------------------------------------------------------------------ */

int tell_open(struct daemon *d, struct fault *f)
{
	bool has_journal = access(JOURNAL_SOCKET, F_OK) == 0;
	int r = events_new(d->host, EVENTS_KEPT, &d->events, f);

	if (!r)
		r = journal_open(has_journal ? JOURNAL_SOCKET : NULL, &d->journal, f);
	if (r < 0)
		return r;
	events_add_sink(d->events, journal_sink(d->journal));
	figures_open(d);
	return open_webhooks(d, f);
}

void tell_close(struct daemon *d)
{
	if (d->started_ms)
		daemon_say(d, EVENT_DAEMON_STOPPED, "stopped");
	close_webhooks(d, LAST_DELIVERY_MS);
	if (d->events && d->journal)
		events_remove_sink(d->events, journal_sink(d->journal));
	journal_close(d->journal);
	events_close(d->events);
}
