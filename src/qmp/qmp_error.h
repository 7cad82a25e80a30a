/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fills a struct qmp_error; the one place where a sentence is cut to its size. */
#pragma once

#include "vmguard/qmp.h"

/* Describes a failure that is not QEMU's own. `code` is a negative errno and is returned. */
int qmp_error_set(struct qmp_error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "format: " in front of a text that is there already. Returns e->code. */
int qmp_error_wrap(struct qmp_error *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
