/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person wants of a guest's protection. It lies in the store, as a text of the kind
 * "policy" (store_texts()), so that any host can read it:
 *
 *	{"format": 1, "generation": 7, "settings": {"domain": "web1", "interval": "10s", …}}
 *
 * A setting has one form everywhere, the one that people write: on the command line, in the API,
 * in the store. ONE table (keys.c) has them all. Settings that the text does not have are at their
 * defaults; one that is unknown, or has a wrong value, makes it unreadable, because who skips it
 * protects the guest in another way than was asked for.
 *
 * A struct policy owns nothing: copy it as you like. Functions are pure but for those that take a
 * store, which block as it does. Not secret: a policy has the name of a key's file, never a key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/retention.h"
#include "vmguard/store.h"

struct json_object;

enum policy_on_failure {		/* its host or its QEMU died */
			 POLICY_RESUME, /* it goes on from its last checkpoint */
			 POLICY_REBOOT, /* it starts from its disks */
			 POLICY_MANUAL, /* a person decides */
};

enum policy_clock {
	POLICY_CLOCK_SET, /* after a restore, through the guest agent */
	POLICY_CLOCK_KEEP,
};

enum policy_network {
	POLICY_NETWORK_ANNOUNCE, /* after a restore, so that switches learn where it is */
	POLICY_NETWORK_KEEP,
};

enum {
	POLICY_PATH_BYTES = 256,
	POLICY_SOCKET_BYTES = 108, /* as sockaddr_un has room for */
	POLICY_HOSTS_BYTES = 512,
	POLICY_GROUP_BYTES = 65,
	POLICY_RESTARTS_MAX = 16,
	POLICY_VALUE_BYTES = 512, /* of any setting as a text */
};

struct policy {
	/* Rises with each change; 0: it was not read from a store. */
	uint64_t generation;

	/* Which guest it is: a domain of libvirt, or a QEMU. "": not given. */
	char domain[POLICY_PATH_BYTES];	 /* a name or UUID */
	char connect[POLICY_PATH_BYTES]; /* URI; "": as virsh chooses */
	char qmp[POLICY_SOCKET_BYTES];	 /* path of its socket */

	int64_t interval_ms;
	struct retention keep;
	unsigned on_failure; /* enum policy_on_failure */
	uint64_t priority;   /* the higher first, where not all can be restarted at once */

	/* Names of hosts, "a,b"; "": any, or none is preferred. See policy_has_host(). */
	char allowed_hosts[POLICY_HOSTS_BYTES];
	char preferred_hosts[POLICY_HOSTS_BYTES];
	char anti_affinity[POLICY_GROUP_BYTES]; /* guests of a group run on different hosts; "":
						   none */

	uint64_t restarts; /* at most so many in the window, then a person decides */
	int64_t restart_window_ms;
	unsigned clock;	  /* enum policy_clock */
	unsigned network; /* enum policy_network */

	char key_file[POLICY_PATH_BYTES]; /* on each host; "": a new image is not encrypted */
	uint64_t max_rate;		  /* bytes a second to the store; 0: no limit */
	uint64_t spool_bytes;		  /* 0: as capture.h chooses */
	bool without_disks;
};

/* ---- settings --------------------------------------------------------------------------- */

struct policy_key {
	const char *name;	/* "keep-last" */
	const char *by_default; /* "10" */
	const char *allowed;	/* "a number from 0 to 1000000" */
	const char *meaning;	/* a line of help */
};

/* The i-th of all settings, in the order of the struct; NULL behind the last. */
const struct policy_key *policy_key(size_t i);

/* All at their defaults: complete but for which guest it is. */
void policy_init(struct policy *p);

/* -EINVAL names the setting and says what may be; then nothing was changed. */
int policy_set(struct policy *p, const char *name, const char *value, struct fault *f);

/* One as it would be set; into `text`, which is returned. NULL: there is no such setting. */
const char *policy_text(const struct policy *p, const char *name, char text[POLICY_VALUE_BYTES]);

/*
 * Whether they go together: -EINVAL says which do not. policy_set() looks at one alone, so that
 * the order does not matter.
 */
int policy_check(const struct policy *p, struct fault *f);

/* Whether a list of hosts has this one. */
bool policy_has_host(const char *hosts, const char *host);

/* ---- JSON --------------------------------------------------------------------------------- */

/* All settings as an object of texts, which the caller puts. NULL: no memory. */
struct json_object *policy_settings(const struct policy *p);

/*
 * Sets those that the object has, texts or whole numbers, and leaves the others. -EINVAL: it is no
 * object, or as policy_set() says; then nothing was changed.
 */
int policy_apply(struct policy *p, struct json_object *settings, struct fault *f);

/* The text in the store; the caller frees it. */
int policy_encode(const struct policy *p, char **text, struct fault *f);

/*
 * Reads one, whoever wrote it. -EINVAL: it is none, or policy_check(); -EPROTONOSUPPORT: of a newer
 * format.
 */
int policy_decode(const char *text, struct policy *p, struct fault *f);

/* ---- in the store ------------------------------------------------------------------------ */

/* -ENOENT: the guest has none, so it is not protected. */
int policy_load(struct store *s, const char *guest, struct policy *p, struct fault *f);

/*
 * Stores it in place of the one that it was made of, which has its generation; of generation 0:
 * the guest must have none. Then it has the next generation. -ESTALE: somebody else was faster,
 * load and change it again. -EEXIST: there is one already. After -ETIMEDOUT nobody knows: load it.
 */
int policy_save(struct store *s, const char *guest, struct policy *p, struct fault *f);

/*
 * Ends the protection. Of this generation; or with 0 whichever there is, also one that cannot be
 * read. -ENOENT; -ESTALE: somebody has changed it meanwhile.
 */
int policy_remove(struct store *s, const char *guest, uint64_t generation, struct fault *f);

/*
 * Calls `each` for every guest that has one, in no order, until it fails. One that cannot be read
 * must not hide the others: its `p` is NULL, and `why` says why.
 */
int policy_list(struct store *s,
		int (*each)(void *context, const char *guest, const struct policy *p,
			    const struct fault *why),
		void *context, struct fault *f);
