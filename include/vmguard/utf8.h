/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of other people's making: UTF-8 or not. Pure. RFC 3629, section 4. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character has that begins here; 0: it is none, or ends in a NUL. */
size_t utf8_character(const char *text);

/* Whether it is UTF-8 and has no control character. */
bool utf8_is_printable(const char *text);

/* In place: each byte that is no character, and each control character, becomes "?". */
void utf8_clean(char *text);
