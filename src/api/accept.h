/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which media type a client wants, and which it sends. Pure. RFC 9110, sections 8.3 and 12.5.1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The index of the one of `types` that `accept` likes best, the earlier where it does not care; -1:
 * it takes none of them. NULL takes all.
 */
int accept_choose(const char *accept, const char *const *types, size_t count);

/* Whether a Content-Type is this one, whatever its parameters. NULL is none. */
bool accept_is_type(const char *content_type, const char *type);
