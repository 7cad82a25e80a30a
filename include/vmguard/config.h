/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host is set to: /etc/vmguard/vmguard.conf, lines NAME = VALUE in sections. A file that is
 * wrong anywhere is not taken at all, so that a slip of the pen is no other policy. The keys and
 * what they may be stand in ONE table, config/keys.c; vmguard.conf(5) says what they are for.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/events.h"
#include "vmguard/fault.h"

#define CONFIG_FILE "/etc/vmguard/vmguard.conf"

enum hook_when_down {
	HOOK_REFUSE, /* the default: a protected guest does not start where vmguard cannot tell */
	HOOK_ALLOW,
};

enum {
	CONFIG_TEXT_BYTES = 200, /* of a value, with NUL: as long as a line may be */
	CONFIG_HOST_BYTES = EVENT_NAME_BYTES,
	CONFIG_NAME_BYTES = 33,
	CONFIG_SOCKET_BYTES = 108, /* of sockaddr_un */
	CONFIG_WEBHOOKS_MAX = 16,
};

/* [webhook NAME] */
struct config_webhook {
	char name[CONFIG_NAME_BYTES]; /* a file's name too */
	char url[CONFIG_TEXT_BYTES];
	char secret_file[CONFIG_TEXT_BYTES]; /* "": not signed */
	char ca_file[CONFIG_TEXT_BYTES];     /* "": as the host trusts */
	enum event_severity severity;	     /* of the least events that it gets */
	uint64_t queue_bytes;
	int64_t timeout_ms;
};

/* Fixed size: nothing to free, safe to copy. "" where nothing is set. All paths are absolute. */
struct config {
	enum hook_when_down hook_when_down;
	char host[CONFIG_HOST_BYTES]; /* "": as the system is called */
	char store[CONFIG_TEXT_BYTES];
	uint64_t captures_per_host, captures_per_store;
	uint64_t spool_bytes; /* of all captures together */
	char socket[CONFIG_SOCKET_BYTES];
	char group[CONFIG_NAME_BYTES];
	char listen[CONFIG_TEXT_BYTES]; /* IPV4:PORT or [IPV6]:PORT; then the next three are set */
	char certificate[CONFIG_TEXT_BYTES], key[CONFIG_TEXT_BYTES], client_ca[CONFIG_TEXT_BYTES];
	char run_directory[CONFIG_TEXT_BYTES], state_directory[CONFIG_TEXT_BYTES];
	struct config_webhook webhooks[CONFIG_WEBHOOKS_MAX];
	size_t webhook_count;
};

/* Who takes part in the reading; each may be NULL. */
struct config_reader {
	/*
	 * A key of [defaults], the keys of a policy; each comes once. -EINVAL: the fault says what
	 * it may be, without file and line. NULL: these keys are not looked at.
	 */
	int (*set_default)(struct config_reader *r, const char *key, const char *value,
			   struct fault *f);
	/* Every mistake, in the order of the file: "FILE:LINE: …". */
	void (*wrong)(struct config_reader *r, const char *sentence);
};

/*
 * A file that is not there has no settings: all are at their defaults, as they are after an error.
 * -EINVAL: the fault has the first mistake and the number of the others. `r` may be NULL.
 */
int config_read(const char *path, struct config_reader *r, struct config *c, struct fault *f);
