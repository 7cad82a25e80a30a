/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in a request's line: /v1/guests/web%201?limit=10. Pure.
 *
 * Segments and queries are decoded after they were taken apart, so that a %2F in a guest's name
 * stays part of it. RFC 3986, RFC 9112 section 3.2.
 */
#pragma once

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum { TARGET_SEGMENTS_MAX = 16, TARGET_QUERIES_MAX = 16 };

struct target {
	char *path; /* as sent, for people; "*" for OPTIONS * */
	char *text; /* what the others point into */
	unsigned segment_count, query_count;
	const char *segments[TARGET_SEGMENTS_MAX];
	struct {
		const char *name, *value;
	} queries[TARGET_QUERIES_MAX];
};

/* -EINVAL: a bad escape, a control character, no UTF-8, too many parts; says which. */
int target_read(const char *sent, struct target *t, struct fault *f);
void target_free(struct target *t); /* of one that was read, or is zero */
