/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Makes each control character, and each byte that is not part of UTF-8, a "?". */
void text_clean(char *text);
