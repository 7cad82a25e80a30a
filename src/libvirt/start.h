/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What starting a domain needs, whichever way it is done. */
#pragma once

#include <libvirt/libvirt.h>

#include "vmguard/libvirt.h"

/* Whether a domain can be started without harm. May never return. -EPERM: it runs, or is saved. */
int start_check(const struct libvirt_domain *d, virConnectPtr connection, struct fault *f);
