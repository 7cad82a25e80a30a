/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmguardd: the guests of this host that are protected, on one event loop that owns all state.
 *
 * What wakes it up:
 *
 *	timer      guards_wake_ms(): a guest is due            loop.c
 *	captures   a capture is over                           capture.c
 *	others     policies were read, a guest was looked at   guests.c, meet.c, boot.c
 *	watches    a domain of libvirt came or went            domains.c
 *	children   a restore is over                           restore.c
 *	timers     of each restore that is gone on with        restore.c
 *	api        somebody asks                               serve.c
 *	webhooks   a target fails, or takes events again       loop.c
 *	signals    SIGTERM, SIGINT, SIGHUP                     loop.c
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "vmguard/config.h"
#include "vmguard/events.h"
#include "vmguard/guard.h"
#include "vmguard/jobs.h"
#include "vmguard/journal.h"
#include "vmguard/metrics.h"
#include "vmguard/policy.h"

/* Why captures fail, as /metrics has it; figures.c. */
enum failure_reason {
	FAILURE_STORE_FULL,
	FAILURE_STORE_AWAY,
	FAILURE_REFUSED,
	FAILURE_CANCELLED,
	FAILURE_TIMEOUT,
	FAILURE_GUEST_GONE,
	FAILURE_OTHER,
	FAILURE_REASONS,
};

struct api;
struct domains;
struct follower;
struct guest;
struct operations;
struct webhooks;

/* What /metrics has of the host beside its guests. */
struct figures {
	struct event_sink sink;		  /* first: it counts them */
	struct histogram pause, duration; /* seconds, of captures that succeeded */
	uint64_t written_bytes;
	uint64_t failures[FAILURE_REASONS];
	uint64_t events[EVENT_KINDS];
};

struct daemon {
	struct guard_sink sink; /* first */
	const char *config_file;
	struct config config;
	char host[CONFIG_HOST_BYTES];
	struct policy defaults; /* of [defaults] */

	sd_event *loop;
	sd_event_source *timer;
	struct jobs *captures, *others;
	struct guards *guards;
	struct schedule_store slots; /* of the store */
	struct events *events;
	struct journal *journal;
	struct webhooks *webhooks;
	sd_event_source *webhook_news;
	size_t webhook_count; /* of config.webhooks, that are open */
	struct figures figures;
	int64_t started_ms; /* since 1970 */

	struct api *api;
	sd_event_source *api_source, *api_timer;
	struct operations *operations;
	struct follower *followers;
	uint64_t guests_version; /* rises when something of them changes that people see */

	struct guest *guests;
	struct domains *domains; /* of each libvirt that a policy names */
	bool listed_once;	 /* the policies of this store are known */
	bool listing;		 /* policies are being read */
	bool store_away;	 /* that could not be done the last time */
	int64_t list_ms;	 /* when they are read again */
	int64_t look_ms;	 /* when guests are looked at again that nobody tells of */
	unsigned rescues;	 /* under way; until they are over no guest is looked at */
	bool stopping;
};

/* loop.c */
int daemon_run(struct daemon *d, struct fault *f);
/* After anything has been told to a guard. */
void daemon_step(struct daemon *d);
int64_t daemon_now_ms(void);

/* tell.c: events, and who gets them */
int tell_open(struct daemon *d, struct fault *f);
void tell_close(struct daemon *d); /* says that the daemon ends */
/* Anew, as the settings say now. */
int tell_reopen_webhooks(struct daemon *d, struct fault *f);
/* Numbers, dates and gives it to all who follow. */
void daemon_tell(struct daemon *d, struct event *e);
/* One of the host that is only a sentence. */
void daemon_say(struct daemon *d, enum event_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* settings.c */
/* Reads vmguard.conf; every mistake is printed. */
int settings_read(const char *file, struct config *c, struct policy *defaults, struct fault *f);
/* Reads it again: a mistake leaves all as it is. */
void settings_reload(struct daemon *d);

/* serve.c */
int serve_open(struct daemon *d, struct fault *f);
void serve_close(struct daemon *d);

/* follow.c: tells those who follow what is new to them */
void followers_pump(struct daemon *d);

/* figures.c */
void figures_open(struct daemon *d);
struct taken;
void figures_capture(struct daemon *d, const struct taken *t);
void figures_failure(struct daemon *d, int code);
