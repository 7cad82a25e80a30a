/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/error.h"

#include <errno.h>
#include <stddef.h>

static int errno_of(int code)
{
	switch (code) {
	case VIR_ERR_NO_MEMORY:
		return -ENOMEM;
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	case VIR_ERR_OPERATION_INVALID: /* of a domain that does not run */
		return -ENOTCONN;
	case VIR_ERR_OPERATION_TIMEOUT: /* somebody else's work on the domain does not end */
		return -ETIMEDOUT;
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_ACCESS_DENIED:
	case VIR_ERR_OPERATION_DENIED:
		return -EACCES;
	case VIR_ERR_NO_SUPPORT:
	case VIR_ERR_OPERATION_UNSUPPORTED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

int error_tell(struct fault *f, const virError *e)
{
	if (!e || !e->message)
		return fault_set(f, -EIO, "libvirt gives no reason");
	return fault_set(f, errno_of(e->code), "libvirt says: %s", e->message);
}
