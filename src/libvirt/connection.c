/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/connection.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <strings.h>

#include "libvirt/error.h"
#include "vmguard/scope.h"

int connection_open(const char *uri, virConnectPtr *connection, char actual[CONNECTION_URI_BYTES],
		    struct fault *f)
{
	*connection = virConnectOpen(uri);
	if (!*connection) {
		error_tell(f, virGetLastError());
		if (f->code == -EIO)
			f->code = -EHOSTUNREACH;
		return f->code;
	}
	auto_free char *chosen = virConnectGetURI(*connection);
	snprintf(actual, CONNECTION_URI_BYTES, "%s", chosen ? chosen : uri ? uri : "libvirt");
	const char *type = virConnectGetType(*connection);
	if (type && !strcasecmp(type, "QEMU"))
		return 0;
	return fault_set(f, -EOPNOTSUPP, "%s runs no QEMU (it is %s)", actual,
			 type ? type : "unknown");
}
