/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting to a libvirt that runs QEMU. */
#pragma once

#include <libvirt/libvirt.h>

#include "vmguard/fault.h"

enum { CONNECTION_URI_BYTES = 128 }; /* cut to fit into messages */

/*
 * *connection is the caller's to close, also where this fails after it was made. May never return.
 * uri NULL: as libvirt chooses; `actual` is what it chose. -EHOSTUNREACH: no libvirtd;
 * -EOPNOTSUPP: it runs no QEMU; -EACCES.
 */
int connection_open(const char *uri, virConnectPtr *connection, char actual[CONNECTION_URI_BYTES],
		    struct fault *f);
