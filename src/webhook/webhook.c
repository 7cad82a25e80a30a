/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread, and what it shares with the loop: the inbox, the news and the status, all under one
 * mutex that is held for some pointers, never while anything is written, sent or allocated.
 */
#include "vmguard/webhook.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "target.h"
#include "vmguard/clock.h"

enum {
	INBOX_MAX = 8192, /* more than the thread lies behind only while the disk hangs */
	STEP_MS = 10000,  /* for what may be told later */
};

struct item {
	struct item *next;
	enum event_severity severity;
	char text[];
};

struct news {
	struct news *next;
	struct event event;
};

struct webhooks {
	struct event_sink sink;
	int fd; /* eventfd for the news */
	CURLM *transfers;
	bool has_curl;
	pthread_t thread;
	struct target *targets; /* the thread's; `severity` and `name` are anyone's */
	size_t count;

	pthread_mutex_t mutex; /* guards what follows */
	struct item *inbox, **inbox_end;
	size_t inbox_count;
	uint64_t *inbox_lost; /* of each target, because there was no room or memory */
	struct news *news, **news_end;
	struct webhook_status *status;
	bool is_closing;
	int64_t deadline_ms; /* of the closing */
};

/* ---- the loop's side ------------------------------------------------------------------ */

/* With the mutex. */
static struct item *inbox_take_first(struct webhooks *w)
{
	struct item *item = w->inbox;

	w->inbox = item->next;
	if (!w->inbox)
		w->inbox_end = &w->inbox;
	w->inbox_count--;
	return item;
}

/* With the mutex. */
static void count_lost(struct webhooks *w, enum event_severity severity)
{
	for (size_t i = 0; i < w->count; i++)
		w->inbox_lost[i] += severity >= w->targets[i].severity;
}

static void post(struct webhooks *w, struct item *item, enum event_severity severity)
{
	struct item *oldest = NULL;

	pthread_mutex_lock(&w->mutex);
	if (!item)
		count_lost(w, severity);
	if (item && w->inbox_count == INBOX_MAX) {
		oldest = inbox_take_first(w);
		count_lost(w, oldest->severity);
	}
	if (item) {
		*w->inbox_end = item;
		w->inbox_end = &item->next;
		w->inbox_count++;
	}
	pthread_mutex_unlock(&w->mutex);
	free(oldest);
	curl_multi_wakeup(w->transfers);
}

static bool is_wanted(const struct webhooks *w, enum event_severity severity)
{
	for (size_t i = 0; i < w->count; i++)
		if (severity >= w->targets[i].severity)
			return true;
	return false;
}

static void on_event(struct event_sink *sink, const struct event *e)
{
	struct webhooks *w = (struct webhooks *)sink;
	const enum event_severity severity = event_kind_severity(e->kind);

	if (!is_wanted(w, severity))
		return;
	auto_free char *text = event_json(e);
	const size_t bytes = text ? strlen(text) + 1 : 0;
	struct item *item = text ? malloc(sizeof(*item) + bytes) : NULL;
	if (item) {
		item->next = NULL;
		item->severity = severity;
		memcpy(item->text, text, bytes);
	}
	post(w, item, severity);
}

struct event_sink *webhooks_sink(struct webhooks *w)
{
	return &w->sink;
}

int webhooks_fd(const struct webhooks *w)
{
	return w->fd;
}

bool webhooks_news(struct webhooks *w, struct event *e)
{
	uint64_t count;

	pthread_mutex_lock(&w->mutex);
	auto_free struct news *n = w->news;
	if (n)
		w->news = n->next;
	if (!w->news) {
		w->news_end = &w->news;
		while (read(w->fd, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_unlock(&w->mutex);
	if (n)
		*e = n->event;
	return n;
}

void webhooks_status(struct webhooks *w, size_t target, struct webhook_status *status)
{
	pthread_mutex_lock(&w->mutex);
	*status = w->status[target];
	pthread_mutex_unlock(&w->mutex);
}

/* ---- the thread's side ---------------------------------------------------------------- */

static void empty_inbox(struct webhooks *w)
{
	for (;;) {
		pthread_mutex_lock(&w->mutex);
		auto_free struct item *item = w->inbox ? inbox_take_first(w) : NULL;
		pthread_mutex_unlock(&w->mutex);
		if (!item)
			return;
		for (size_t i = 0; i < w->count; i++)
			if (item->severity >= w->targets[i].severity)
				target_push(&w->targets[i], item->text);
	}
}

static void tell(struct webhooks *w, const struct event *e)
{
	const uint64_t one = 1;
	struct news *n = malloc(sizeof(*n));

	if (!n)
		return;
	*n = (struct news){.event = *e};
	pthread_mutex_lock(&w->mutex);
	*w->news_end = n;
	w->news_end = &n->next;
	while (write(w->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&w->mutex);
}

static void show(struct webhooks *w, size_t i)
{
	struct target *t = &w->targets[i];
	struct event e;

	pthread_mutex_lock(&w->mutex);
	uint64_t lost = w->inbox_lost[i];
	w->inbox_lost[i] = 0;
	pthread_mutex_unlock(&w->mutex);
	target_lose(t, lost);
	struct webhook_status status = {.waiting = queue_waiting(t->queue),
					.delivered = t->delivered,
					.dropped = t->lost + queue_dropped(t->queue),
					.failures = t->failures};
	memcpy(status.why, t->why, sizeof(status.why));
	pthread_mutex_lock(&w->mutex);
	w->status[i] = status;
	pthread_mutex_unlock(&w->mutex);
	while (target_news(t, monotonic_ms(), &e))
		tell(w, &e);
}

static void finish_requests(struct webhooks *w)
{
	CURLMsg *message;
	int more;

	while ((message = curl_multi_info_read(w->transfers, &more))) {
		char *target;
		const CURLcode result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &target);
		target_finish((struct target *)target, w->transfers, result, monotonic_ms());
	}
}

static bool is_over(struct webhooks *w, int64_t now_ms)
{
	pthread_mutex_lock(&w->mutex);
	bool is_closing = w->is_closing;
	int64_t deadline_ms = w->deadline_ms;
	bool is_empty = !w->inbox;
	pthread_mutex_unlock(&w->mutex);
	if (!is_closing || !is_empty)
		return false;
	for (size_t i = 0; i < w->count && now_ms < deadline_ms; i++) {
		const struct target *t = &w->targets[i];

		if (queue_waiting(t->queue) && !t->failures)
			return false;
	}
	return true;
}

/* Milliseconds until something is to be done that nobody wakes us for. */
static int next_step_ms(const struct webhooks *w, int64_t now_ms)
{
	int64_t next_ms = now_ms + STEP_MS;

	for (size_t i = 0; i < w->count; i++)
		if (target_next_ms(&w->targets[i]) < next_ms)
			next_ms = target_next_ms(&w->targets[i]);
	return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static void *run(void *webhooks)
{
	struct webhooks *w = webhooks;
	int running;

	pthread_setname_np(pthread_self(), "webhooks");
	for (;;) {
		empty_inbox(w);
		for (size_t i = 0; i < w->count; i++)
			target_send(&w->targets[i], w->transfers, monotonic_ms());
		curl_multi_perform(w->transfers, &running);
		finish_requests(w);
		for (size_t i = 0; i < w->count; i++)
			show(w, i);
		if (is_over(w, monotonic_ms()))
			return NULL;
		curl_multi_poll(w->transfers, NULL, 0, next_step_ms(w, monotonic_ms()), NULL);
	}
}

/* ---- its life ------------------------------------------------------------------------- */

static int start(struct webhooks *w, struct fault *f)
{
	sigset_t all, before;

	/* Signals are the loop's; SIGPIPE of a connection that broke is nobody's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = -pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? fault_errno(f, r, "start the thread of the webhooks") : 0;
}

static int open_targets(struct webhooks *w, const char *folder,
			const struct webhook_target *targets, size_t count, struct fault *f)
{
	int r = 0;

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return fault_errno(f, -errno, "make %s for the webhooks", folder);
	while (!r && w->count < count) {
		r = target_open(folder, &targets[w->count], &w->targets[w->count], f);
		w->count++;
	}
	return r;
}

static struct webhooks *webhooks_new(size_t count)
{
	struct webhooks *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct webhooks){.sink.event = on_event,
			       .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			       .has_curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK,
			       .targets = calloc(count + 1, sizeof(*w->targets)),
			       .status = calloc(count + 1, sizeof(*w->status)),
			       .inbox_lost = calloc(count + 1, sizeof(*w->inbox_lost))};
	pthread_mutex_init(&w->mutex, NULL);
	w->inbox_end = &w->inbox;
	w->news_end = &w->news;
	if (w->has_curl)
		w->transfers = curl_multi_init();
	return w;
}

/* Without its thread. */
static void webhooks_free(struct webhooks *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		target_close(&w->targets[i], w->transfers);
	while (w->inbox)
		free(inbox_take_first(w));
	for (struct news *n = w->news, *next; n; n = next) {
		next = n->next;
		free(n);
	}
	if (w->transfers)
		curl_multi_cleanup(w->transfers);
	if (w->has_curl)
		curl_global_cleanup();
	if (w->fd >= 0)
		close(w->fd);
	pthread_mutex_destroy(&w->mutex);
	free(w->targets);
	free(w->status);
	free(w->inbox_lost);
	free(w);
}
SCOPE_CLOSER(webhooks_free, struct webhooks)

int webhooks_open(const char *folder, const struct webhook_target *targets, size_t count,
		  struct webhooks **out, struct fault *f)
{
	auto_of(webhooks_free) struct webhooks *w = webhooks_new(count);

	*out = NULL;
	if (!w || !w->targets || !w->status || !w->inbox_lost || !w->transfers || w->fd < 0)
		return fault_errno(f, -ENOMEM, "make webhooks");
	int r = open_targets(w, folder, targets, count, f);
	if (!r)
		r = start(w, f);
	if (r < 0)
		return r;
	*out = give(w);
	return 0;
}

void webhooks_close(struct webhooks *w, int64_t limit_ms)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->is_closing = true;
	w->deadline_ms = monotonic_ms() + limit_ms;
	pthread_mutex_unlock(&w->mutex);
	curl_multi_wakeup(w->transfers);
	pthread_join(w->thread, NULL);
	webhooks_free(w);
}
