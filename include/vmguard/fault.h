/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One sentence about what went wrong, for the person who reads it.
 *
 * Every function that can fail returns 0 or a negative errno and fills the
 * fault given as its last parameter. The text is written where the failure is
 * detected; on the way up fault_wrap() puts the intent in front of it:
 *
 *	commit checkpoint 42 of web1: write segment 17: No space left on device
 *
 * A fault has a fixed size: nothing to free, safe to copy, and any thread may
 * own one. It is logged or printed once, at the edge.
 */
#pragma once

#include <stdarg.h>

enum { FAULT_TEXT_BYTES = 512 };

struct fault {
	int code; /* negative errno, 0 while nothing failed */
	char text[FAULT_TEXT_BYTES];
};

/* Describes a failure. `code` is a negative errno and is returned. */
int fault_set(struct fault *f, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like fault_set(), followed by ": " and the system's text for `code`. */
int fault_errno(struct fault *f, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "format: " in front of a text that is there already. Returns f->code. */
int fault_wrap(struct fault *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
