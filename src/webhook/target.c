/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Its URL is never told, since many services put a password into it. */
#include "target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/clock.h"

enum {
	RETRY_MS = 1000,
	RETRY_MAX_MS = 5 * 60 * 1000,
	ASKED_MAX_MS = 60 * 60 * 1000, /* by Retry-After */
	CONNECT_MS = 5000,
	FAILING_FROM = 3, /* failures: one alone is no news */
	DROPPED_EACH_MS = 60 * 1000,
};

static int copy_text(const char *from, char **to, struct fault *f)
{
	if (!from || !*from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : fault_errno(f, -ENOMEM, "copy %s", from);
}

/* The answer's body says nothing that is needed. */
static size_t pass_over(char *data, size_t size, size_t count, void *unused)
{
	(void)data;
	(void)unused;
	return size * count;
}

static int make_request(struct target *t, struct fault *f)
{
	CURL *c = t->request = curl_easy_init();

	if (!c)
		return fault_errno(f, -ENOMEM, "make a request");
	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_says);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs holds up nobody */
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, pass_over);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)t->timeout_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
			 t->timeout_ms < CONNECT_MS ? (long)t->timeout_ms : (long)CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "vmguard/" VMGUARD_VERSION);
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	CURLcode r = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_URL, t->url);
	if (!r && t->ca_file)
		r = curl_easy_setopt(c, CURLOPT_CAINFO, t->ca_file);
	return r ? fault_set(f, -EINVAL, "%s", curl_easy_strerror(r)) : 0;
}

int target_open(const char *folder, const struct webhook_target *from, struct target *t,
		struct fault *f)
{
	char path[512];

	*t = (struct target){.severity = from->severity,
			     .timeout_ms = from->timeout_ms,
			     .retry_ms = from->retry_ms ? from->retry_ms : RETRY_MS};
	snprintf(t->name, sizeof(t->name), "%s", from->name);
	int r = copy_text(from->url, &t->url, f);
	if (!r)
		r = copy_text(from->ca_file, &t->ca_file, f);
	if (!r && from->secret_file && *from->secret_file)
		r = secret_read(from->secret_file, &t->secret, f);
	snprintf(path, sizeof(path), "%s/%s", folder, t->name);
	if (!r)
		r = queue_open(path, from->queue_bytes, &t->queue, f);
	if (!r)
		r = make_request(t, f);
	return r < 0 ? fault_wrap(f, "webhook %s", t->name) : 0;
}

static void end_request(struct target *t, CURLM *transfers)
{
	if (!t->body)
		return;
	curl_multi_remove_handle(transfers, t->request);
	curl_slist_free_all(give(t->headers));
	free(give(t->body));
}

void target_close(struct target *t, CURLM *transfers)
{
	end_request(t, transfers);
	curl_easy_cleanup(t->request);
	queue_close(t->queue);
	secret_wipe(t->secret);
	free(t->url);
	free(t->ca_file);
}

void target_push(struct target *t, const char *text)
{
	struct fault f;

	if (queue_push(t->queue, text, &f) < 0)
		snprintf(t->why, sizeof(t->why), "%s", f.text);
}

void target_lose(struct target *t, uint64_t count)
{
	t->lost += count;
}

static bool add_header(struct target *t, const char *header)
{
	struct curl_slist *longer = curl_slist_append(t->headers, header);

	if (longer)
		t->headers = longer;
	return longer;
}

static bool make_headers(struct target *t, struct fault *f)
{
	char signature[SIGNATURE_BYTES], header[SIGNATURE_BYTES + 32];

	/* No "Expect: 100-continue", which costs servers that do not know it a second. */
	if (!add_header(t, "Content-Type: application/json") || !add_header(t, "Expect:"))
		return false;
	if (!t->secret)
		return true;
	if (secret_sign(t->secret, wall_ms() / 1000, t->body, signature, f) < 0)
		return false;
	snprintf(header, sizeof(header), "Vmguard-Signature: %s", signature);
	return add_header(t, header);
}

static int64_t wait_ms(const struct target *t)
{
	int64_t ms = t->retry_ms;

	for (uint64_t i = 1; i < t->failures && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	return ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
}

static void fail(struct target *t, int64_t now_ms)
{
	curl_off_t asked_s = 0;

	if (!t->failures++)
		t->failing_since_ms = now_ms;
	int64_t ms = wait_ms(t);
	curl_easy_getinfo(t->request, CURLINFO_RETRY_AFTER, &asked_s);
	int64_t asked_ms = asked_s < ASKED_MAX_MS / 1000 ? asked_s * 1000 : ASKED_MAX_MS;
	t->next_ms = now_ms + (ms > asked_ms ? ms : asked_ms);
	if (t->failures >= FAILING_FROM && !t->told.is_failing)
		t->told.failing = t->told.is_failing = true;
}

static void succeed(struct target *t)
{
	queue_remove(t->queue, t->number);
	t->delivered++;
	t->failures = 0;
	t->why[0] = 0;
	t->next_ms = 0;
	if (t->told.is_failing) {
		t->told.is_failing = false;
		t->told.back = true;
	}
}

void target_send(struct target *t, CURLM *transfers, int64_t now_ms)
{
	struct fault f = {.text = "there is no memory for a request"};

	if (t->body || now_ms < t->next_ms)
		return;
	t->body = queue_front(t->queue, &t->number);
	if (!t->body)
		return;
	bool is_begun = make_headers(t, &f);
	curl_easy_setopt(t->request, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(t->request, CURLOPT_POSTFIELDS, t->body);
	curl_easy_setopt(t->request, CURLOPT_POSTFIELDSIZE, (long)strlen(t->body));
	t->curl_says[0] = 0;
	if (is_begun && curl_multi_add_handle(transfers, t->request) == CURLM_OK)
		return;
	snprintf(t->why, sizeof(t->why), "%s", f.text);
	end_request(t, transfers);
	fail(t, now_ms);
}

void target_finish(struct target *t, CURLM *transfers, CURLcode result, int64_t now_ms)
{
	long status = 0;

	curl_easy_getinfo(t->request, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_OK && status >= 200 && status <= 299) {
		succeed(t);
	} else {
		if (result == CURLE_OK)
			snprintf(t->why, sizeof(t->why), "it answers with status %ld%s", status,
				 status >= 300 && status <= 399
					 ? ": it has another URL now, which has to be set"
					 : "");
		else
			snprintf(t->why, sizeof(t->why), "%s",
				 t->curl_says[0] ? t->curl_says : curl_easy_strerror(result));
		fail(t, now_ms);
	}
	end_request(t, transfers);
}

int64_t target_next_ms(const struct target *t)
{
	return t->body || !queue_waiting(t->queue) ? INT64_MAX : t->next_ms;
}

static uint64_t dropped(const struct target *t)
{
	return t->lost + queue_dropped(t->queue);
}

static bool dropped_news(struct target *t, int64_t now_ms, struct event *e)
{
	uint64_t count = dropped(t);

	/* Each of these is an event too, which would drop another one. */
	if (count <= t->told.dropped ||
	    (t->told.dropped_ms && now_ms - t->told.dropped_ms < DROPPED_EACH_MS))
		return false;
	event_begin(e, EVENT_WEBHOOK_DROPPED, NULL);
	event_text(e, "webhook", t->name);
	event_number(e, "dropped", count - t->told.dropped);
	event_say(e,
		  "webhook %s will never be told of %" PRIu64
		  " events: there was no room for them%s%s",
		  t->name, count - t->told.dropped, t->why[0] ? " while this was wrong: " : "",
		  t->why);
	t->told.dropped = count;
	t->told.dropped_ms = now_ms;
	return true;
}

bool target_news(struct target *t, int64_t now_ms, struct event *e)
{
	if (t->told.failing) {
		t->told.failing = false;
		event_begin(e, EVENT_WEBHOOK_FAILING, NULL);
		event_text(e, "webhook", t->name);
		event_number(e, "waiting", queue_waiting(t->queue));
		event_say(e,
			  "webhook %s has taken no events for %" PRId64 " s and is tried again: %s",
			  t->name, (now_ms - t->failing_since_ms) / 1000, t->why);
		return true;
	}
	if (t->told.back) {
		t->told.back = false;
		event_begin(e, EVENT_WEBHOOK_BACK, NULL);
		event_text(e, "webhook", t->name);
		event_number(e, "waiting", queue_waiting(t->queue));
		event_say(e, "webhook %s takes events again", t->name);
		return true;
	}
	return dropped_news(t, now_ms, e);
}
