/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt's event thread leaves for the thread that has the hypervisor:
 *
 *	callbacks --inbox_post(), inbox_end()--> inbox --inbox_take()--> hypervisor_event()
 *
 * It is bounded: of what nobody takes the oldest is dropped, and MONITOR_EVENTS_LOST then says so.
 * Posting never blocks. It lives as long as somebody has a reference.
 */
#pragma once

#include "vmguard/hypervisor.h"

enum { INBOX_EVENTS_MAX = 4096 };

struct inbox;
struct inbox *inbox_new(void); /* with one reference; NULL: no memory */
struct inbox *inbox_ref(struct inbox *inbox);
void inbox_unref(struct inbox *inbox); /* accepts NULL */

/* Copies the event; `data` is JSON or NULL. */
void inbox_post(struct inbox *inbox, const char *name, const char *data, int64_t time_us);
/* Events were lost: MONITOR_EVENTS_LOST comes before the next one. */
void inbox_note_loss(struct inbox *inbox);
/* The domain has ended, and how. */
void inbox_end(struct inbox *inbox, const char *how);
/* Whoever waits looks again. */
void inbox_wake(struct inbox *inbox);

/* 1: *event is filled; 0: nothing within limit_ms, or woken, or ended. */
int inbox_take(struct inbox *inbox, int limit_ms, struct monitor_event *event);
/* Copies how the domain ended, also while there are events to be taken; false: it has not. */
bool inbox_ended(struct inbox *inbox, char how[64]);
