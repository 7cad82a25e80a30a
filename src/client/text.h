/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that arrive in pieces, with a NUL behind them. */
#pragma once

#include <stddef.h>

struct text {
	char *bytes; /* NULL: nothing was added yet */
	size_t count, room;
};

/* -EMSGSIZE: it would be more than the limit. -ENOMEM. */
int text_add(struct text *t, const char *bytes, size_t count, size_t limit);
