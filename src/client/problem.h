/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server says when it refuses (RFC 9457), as a fault. Pure. */
#pragma once

#include <stddef.h>

#include "vmguard/fault.h"

/*
 * `who` has answered with this status. Gives the fault's code: the one that the problem names, else
 * one that belongs to the status. A body that is no problem is not shown.
 */
int problem_read(const char *who, unsigned status, const char *body, size_t bytes, struct fault *f);
