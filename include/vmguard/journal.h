/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events to systemd's journal, with fields:
 *
 *	MESSAGE MESSAGE_ID PRIORITY SYSLOG_IDENTIFIER VMGUARD_EVENT VMGUARD_SEQUENCE VMGUARD_HOST
 *	VMGUARD_GUEST VMGUARD_CHECKPOINT, and VMGUARD_… for each field of the event
 *
 * The loop never waits for journald, as sd_journal_send() does when journald hangs: this speaks
 * its protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL) over a socket that does not block.
 * What is lost then is counted, and told with the next one that gets through (VMGUARD_LOST).
 */
#pragma once

#include "vmguard/events.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct journal;

/* `socket` NULL: plain lines to standard error instead. journald may come and go. */
int journal_open(const char *socket, struct journal **journal, struct fault *f);
void journal_close(struct journal *journal); /* accepts NULL; the sink is removed before */
SCOPE_CLOSER(journal_close, struct journal)

struct event_sink *journal_sink(struct journal *journal);

/* Not yet told. */
uint64_t journal_lost(const struct journal *journal);
