/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backend `libvirt` of struct guest_agent: the channel of a domain, which libvirt has. */
#pragma once

#include "vmguard/guest_agent.h"

/* By the domain's UUID, over connections of its own. -ENOMEM. */
int agent_open(const char *uri, const char *domain, struct guest_agent **a, struct fault *f);
