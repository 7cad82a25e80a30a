/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of some names somebody may have meant who typed another. */
#pragma once

#include <stddef.h>

struct spelling {
	const char *typed;
	const char *found; /* NULL: none is near */
	size_t distance;   /* of the found one; first, from where on names are too far away */
};

struct spelling spelling_of(const char *typed);
void spelling_try(struct spelling *s, const char *name);
