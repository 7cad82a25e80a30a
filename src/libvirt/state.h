/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether libvirt leaves a domain alone. */
#pragma once

#include "libvirt/link.h"

/* -EPERM: a snapshot would be in the way of libvirt's own work. */
int state_check(const struct link_state *s, struct fault *f);
