/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/inbox.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/clock.h"

struct letter {
	struct letter *next;
	char name[MONITOR_NAME_BYTES];
	char *data;
	int64_t time_us;
};

struct inbox {
	pthread_mutex_t mutex; /* guards all below; no other one is taken with it */
	pthread_cond_t changed;
	int refs;
	struct letter *first, *last;
	size_t count;
	bool lost, woken, ended;
	char how[64];
};

struct inbox *inbox_new(void)
{
	struct inbox *inbox = calloc(1, sizeof(*inbox));
	pthread_condattr_t monotonic;

	if (!inbox)
		return NULL;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&inbox->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&inbox->mutex, NULL);
	inbox->refs = 1;
	return inbox;
}

struct inbox *inbox_ref(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->refs++;
	pthread_mutex_unlock(&inbox->mutex);
	return inbox;
}

static void letter_free(struct letter *letter)
{
	if (!letter)
		return;
	free(letter->data);
	free(letter);
}

/* The oldest one, NULL where there is none; with the mutex held. */
static struct letter *pop(struct inbox *inbox)
{
	struct letter *letter = inbox->first;

	if (!letter)
		return NULL;
	inbox->first = letter->next;
	if (!inbox->first)
		inbox->last = NULL;
	inbox->count--;
	return letter;
}

void inbox_unref(struct inbox *inbox)
{
	if (!inbox)
		return;
	pthread_mutex_lock(&inbox->mutex);
	bool last = --inbox->refs == 0;
	pthread_mutex_unlock(&inbox->mutex);
	if (!last)
		return;
	while (inbox->first)
		letter_free(pop(inbox));
	pthread_cond_destroy(&inbox->changed);
	pthread_mutex_destroy(&inbox->mutex);
	free(inbox);
}

static struct letter *letter_new(const char *name, const char *data, int64_t time_us)
{
	struct letter *letter = calloc(1, sizeof(*letter));

	if (!letter)
		return NULL;
	snprintf(letter->name, sizeof(letter->name), "%s", name);
	letter->time_us = time_us;
	letter->data = data ? strdup(data) : NULL;
	if (letter->data || !data)
		return letter;
	letter_free(letter);
	return NULL;
}

void inbox_post(struct inbox *inbox, const char *name, const char *data, int64_t time_us)
{
	struct letter *letter = letter_new(name, data, time_us);
	struct letter *dropped = NULL;

	if (!letter) {
		inbox_note_loss(inbox);
		return;
	}
	pthread_mutex_lock(&inbox->mutex);
	*(inbox->last ? &inbox->last->next : &inbox->first) = letter;
	inbox->last = letter;
	if (++inbox->count > INBOX_EVENTS_MAX) {
		dropped = pop(inbox);
		inbox->lost = true;
	}
	pthread_cond_signal(&inbox->changed);
	pthread_mutex_unlock(&inbox->mutex);
	letter_free(dropped);
}

/* Raises a flag and wakes the one who waits. */
static void raise_flag(struct inbox *inbox, bool *flag)
{
	pthread_mutex_lock(&inbox->mutex);
	*flag = true;
	pthread_cond_signal(&inbox->changed);
	pthread_mutex_unlock(&inbox->mutex);
}

void inbox_note_loss(struct inbox *inbox)
{
	raise_flag(inbox, &inbox->lost);
}

void inbox_wake(struct inbox *inbox)
{
	raise_flag(inbox, &inbox->woken);
}

void inbox_end(struct inbox *inbox, const char *how)
{
	pthread_mutex_lock(&inbox->mutex);
	snprintf(inbox->how, sizeof(inbox->how), "%s", how);
	inbox->ended = true;
	pthread_cond_signal(&inbox->changed);
	pthread_mutex_unlock(&inbox->mutex);
}

static bool has_news(const struct inbox *inbox)
{
	return inbox->lost || inbox->first || inbox->woken || inbox->ended;
}

static void wait_for_news(struct inbox *inbox, int limit_ms)
{
	int64_t deadline_ms = monotonic_ms() + limit_ms;
	const struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};

	while (!has_news(inbox) && monotonic_ms() < deadline_ms)
		pthread_cond_timedwait(&inbox->changed, &inbox->mutex, &until);
	inbox->woken = false;
}

static void fill_event(const struct letter *letter, struct monitor_event *event)
{
	*event = (struct monitor_event){.time_us = letter->time_us};
	memcpy(event->name, letter->name, sizeof(event->name));
	event->data = letter->data ? json_tokener_parse(letter->data) : NULL;
}

int inbox_take(struct inbox *inbox, int limit_ms, struct monitor_event *event)
{
	struct letter *letter = NULL;

	pthread_mutex_lock(&inbox->mutex);
	wait_for_news(inbox, limit_ms);
	bool lost = inbox->lost;
	inbox->lost = false;
	if (!lost)
		letter = pop(inbox);
	pthread_mutex_unlock(&inbox->mutex);
	if (lost)
		*event = (struct monitor_event){.name = MONITOR_EVENTS_LOST, .time_us = -1};
	else if (letter)
		fill_event(letter, event);
	letter_free(letter);
	return lost || letter;
}

bool inbox_ended(struct inbox *inbox, char how[64])
{
	pthread_mutex_lock(&inbox->mutex);
	bool ended = inbox->ended;
	if (ended)
		snprintf(how, sizeof(inbox->how), "%s", inbox->how);
	pthread_mutex_unlock(&inbox->mutex);
	return ended;
}
