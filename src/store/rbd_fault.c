/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sentences for Ceph's errors. */
#include "rbd_fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int rbd_fault_late(struct fault *f, int timeout_seconds)
{
	return fault_set(f, -ETIMEDOUT,
			 "no answer from the Ceph cluster in %d s: check that its monitors and "
			 "OSDs run",
			 timeout_seconds);
}

int rbd_fault(struct fault *f, int code, const struct rbd_location *l, const char *format, ...)
{
	char what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	switch (code) {
	case -ETIMEDOUT:
		rbd_fault_late(f, l->timeout_seconds);
		return fault_wrap(f, "%s", what);
	case -EACCES:
	case -EPERM:
		return fault_set(f, code,
				 "%s: the Ceph cluster refuses client.%s: check its keyring, and "
				 "that it has the caps mon 'profile rbd' osd 'profile rbd pool=%s'",
				 what, l->user, l->pool);
	case -ENOSPC:
	case -EDQUOT:
		return fault_set(
			f, code,
			"%s: pool %s is full or has reached its quota: free space in it or "
			"raise the quota",
			what, l->pool);
	case -ESHUTDOWN:
		return fault_set(
			f, code,
			"%s: this client has been blocklisted or has lost the image's lock: "
			"another client has taken over",
			what);
	default:
		return fault_errno(f, code, "%s", what);
	}
}
