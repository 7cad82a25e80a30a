/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an error of Ceph means for the person who runs it. */
#pragma once

#include "rbd_location.h"

/* "format: meaning of `code`, and what to do". Returns `code`. */
int rbd_fault(struct fault *f, int code, const struct rbd_location *l, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Returns -ETIMEDOUT. */
int rbd_fault_late(struct fault *f, int timeout_seconds);
