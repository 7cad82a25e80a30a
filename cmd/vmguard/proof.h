/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a guest that was started proves alive: its agent answers, or what is expected comes on
 * its console. Looked for in a thread of its own while its memory comes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/libvirt.h"

enum { PROOF_SEEN_BYTES = 160 };

struct proof;

struct proof_result {
	bool alive;
	int64_t at_ms;		     /* monotonic_ms() when it proved */
	char seen[PROOF_SEEN_BYTES]; /* of its console: the last line */
	struct fault fault;	     /* what was in the way; code 0: nothing but time */
};

/*
 * expect: a POSIX extended regular expression for a line of its console; NULL: its agent is asked.
 * It ends within limit_ms, or never, where libvirt hangs. -EINVAL: that is no expression.
 */
int proof_new(const char *expect, int64_t limit_ms, struct proof **p, struct fault *f);
/* Once its guest runs; the texts of the domain are copied. */
void proof_start(struct proof *p, const struct libvirt_domain *d);
/*
 * Waits until it has proved alive, its time is over, or *stop is set. Of one that was not started:
 * that it has not.
 */
struct proof_result proof_wait(struct proof *p, const volatile int *stop);
/* Accepts NULL; what hangs is left alone. */
void proof_free(struct proof *p);
