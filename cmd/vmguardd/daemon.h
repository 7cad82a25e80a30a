/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmguardd: the guests of this host that are protected, on one event loop that owns all state.
 *
 * What wakes it up:
 *
 *	timer      guards_wake_ms(): a guest is due            loop.c
 *	captures   a capture is over                           capture.c
 *	others     policies were read, a guest was looked at   guests.c, meet.c
 *	watches    a domain of libvirt came or went            domains.c
 *	children   a restore is over                           restore.c
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
#include "vmguard/policy.h"

struct guest;
struct domains;

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

	struct guest *guests;
	struct domains *domains; /* of each libvirt that a policy names */
	bool listing;		 /* policies are being read */
	bool store_away;	 /* that could not be done the last time */
	int64_t list_ms;	 /* when they are read again */
	bool stopping;
};

/* loop.c */
int daemon_run(struct daemon *d, struct fault *f);
/* After anything has been told to a guard. */
void daemon_step(struct daemon *d);
int64_t daemon_now_ms(void);
/* Numbers, dates and gives it to all who follow. */
void daemon_tell(struct daemon *d, struct event *e);
