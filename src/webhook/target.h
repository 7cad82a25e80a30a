/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One target, in the thread of the webhooks: what waits for it, and the request under way.
 *
 *	waiting --its time--> sending --taken--> waiting
 *	                         '--not--> waiting, for twice as long as the time before
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "queue.h"
#include "sign.h"
#include "vmguard/webhook.h"

/* What a step of a target brings, for target_news(). */
struct target_told {
	bool failing, back; /* to be told */
	bool is_failing;    /* as it was told last */
	uint64_t dropped;   /* as many were told */
	int64_t dropped_ms; /* when; 0: never */
};

struct target {
	char name[WEBHOOK_NAME_BYTES];
	char *url, *ca_file;
	enum event_severity severity; /* never changed: the loop reads it too */
	int64_t timeout_ms, retry_ms;
	struct secret *secret; /* NULL: not signed */
	struct queue *queue;
	CURL *request;
	struct curl_slist *headers;
	char *body;	 /* NULL: no request is under way */
	uint64_t number; /* its, in the queue */
	int64_t next_ms; /* monotonic; not before */
	uint64_t delivered, lost, failures;
	int64_t failing_since_ms;
	char why[FAULT_TEXT_BYTES];
	char curl_says[CURL_ERROR_SIZE];
	struct target_told told;
};

int target_open(const char *folder, const struct webhook_target *from, struct target *t,
		struct fault *f);
void target_close(struct target *t, CURLM *transfers); /* accepts what is half opened */

void target_push(struct target *t, const char *text);
/* `count` of them were lost before they came here. */
void target_lose(struct target *t, uint64_t count);

/* Begins a request if it is time for one. */
void target_send(struct target *t, CURLM *transfers, int64_t now_ms);

/* A request is over. */
void target_finish(struct target *t, CURLM *transfers, CURLcode result, int64_t now_ms);

/* When target_send() is to be called; INT64_MAX: when something comes. */
int64_t target_next_ms(const struct target *t);

/* What is to be told next; false: nothing. */
bool target_news(struct target *t, int64_t now_ms, struct event *e);
