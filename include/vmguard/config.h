/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host is set to: /etc/vmguard/vmguard.conf, lines NAME = VALUE. A file that is wrong
 * anywhere is not taken at all, so that a slip of the pen is no other policy.
 */
#pragma once

#include "vmguard/fault.h"

#define CONFIG_FILE "/etc/vmguard/vmguard.conf"

enum hook_when_down {
	HOOK_REFUSE, /* the default: a protected guest does not start where vmguard cannot tell */
	HOOK_ALLOW,
};

struct config {
	enum hook_when_down hook_when_down;
};

/* A file that is not there has no settings. -EINVAL: "FILE:LINE: …" */
int config_read(const char *path, struct config *c, struct fault *f);
