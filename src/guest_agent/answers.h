/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cuts what a guest agent sends into answers: no I/O, never blocks, resumes at any byte.
 *
 * A channel may still hold what was meant for somebody before us, cut anywhere. So it is brought
 * into step first: guest-sync-delimited has the agent send the byte 0xFF, which is in no JSON, and
 * then an answer with our own number.
 *
 *	rest of something} {"return": 5} FF {"return": OUR ID} {"return": {}} …
 *	~~~~~~~~ skipped ~~~~~~~~~~~~~~~    in step from here   an answer
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "qmp/qmp_parser.h"
#include "vmguard/fault.h"

/* No answer of ours is longer, and the guest shall not fill the memory of the host. */
enum { AGENT_ANSWER_BYTES = 64 << 10 };

struct agent_answers {
	struct qmp_sink sink;	    /* first: take() gets this from it */
	struct qmp_parser *parser;  /* NULL: nothing counts up to the next 0xFF */
	int64_t sync_id;	    /* which brings it into step; 0: it is */
	size_t bytes;		    /* since the last whole answer */
	struct json_object *answer; /* the first that nobody has taken, others are dropped */
};

/* From here on nothing counts but the answer to guest-sync-delimited with this id (not 0). */
void agent_answers_resync(struct agent_answers *a, int64_t id);
void agent_answers_clear(struct agent_answers *a); /* of one that is all zero, too */

/*
 * -EPROTO: what comes is no JSON, or too long; never while it is not in step, where garbage is
 * skipped. -ENOMEM.
 */
int agent_answers_feed(struct agent_answers *a, const char *bytes, size_t length, struct fault *f);

/* The answer that has come, the caller's from here; NULL: none yet. */
struct json_object *agent_answers_take(struct agent_answers *a);

/* What an answer to `command` says: 0, -EREMOTEIO with the agent's words, -EPROTO. */
int agent_answer_read(struct json_object *answer, const char *command, struct fault *f);
