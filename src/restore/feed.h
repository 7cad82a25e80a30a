/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feeding a checkpoint as one plain stream into a descriptor. */
#pragma once

#include "vmguard/restore.h"

/*
 * Writes head, pages, devices and end to fd. -EPIPE or -ECONNRESET: the reader closed; -ETIMEDOUT:
 * it reads nothing for a minute (where fd does not block). Fills all of *result but run_state.
 */
int feed(struct checkpoint *c, int fd, const struct restore_options *options,
	 struct restore_result *result, struct fault *f);
