/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/problem.h"

#include <errno.h>
#include <string.h>

#include "vmguard/json_text.h"
#include "vmguard/utf8.h"

enum { ERRNO_MAX = 133 };

/* "ENOENT" is -ENOENT; 0: there is none of that name. */
static int code_of_name(const char *name)
{
	for (int code = 1; name && code <= ERRNO_MAX; code++) {
		const char *known = strerrorname_np(code);

		if (known && !strcmp(known, name))
			return -code;
	}
	return 0;
}

/* Not all that a handler may have meant: only its status is known. */
static int code_of_status(unsigned status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
	case 422:
	case 431:
		return -EINVAL;
	case 401:
	case 403:
		return -EACCES;
	case 404:
	case 405:
		return -ENOENT;
	case 409:
	case 503:
		return -EBUSY;
	case 504:
		return -ETIMEDOUT;
	case 507:
		return -ENOSPC;
	default:
		return status < 500 ? -EINVAL : -EIO;
	}
}

int problem_read(const char *who, unsigned status, const char *body, size_t bytes, struct fault *f)
{
	auto_of(json_object_put) struct json_object *o = NULL;
	int code = code_of_status(status);

	if (json_text_read(body, bytes, &o, f) < 0 || !json_text_member(o, "detail"))
		return fault_set(f, code, "%s answered with the status %u and no reason", who,
				 status);
	int named = code_of_name(json_text_member(o, "code"));
	fault_set(f, named ? named : code, "%s", json_text_member(o, "detail"));
	utf8_clean(f->text);
	return f->code;
}
