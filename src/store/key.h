/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key of a store that encrypts: read from a file into memory that leaves no copies. */
#pragma once

#include "vmguard/store.h"

enum { STORE_KEY_BYTES_MAX = 8 << 10 };

/* As store_use_key() describes. The caller wipes it. */
int store_key_read(const char *path, struct store_key **key, struct fault *f);

/* Another one with the same bytes; NULL and *f: there is no memory that can be locked. */
struct store_key *store_key_copy(const struct store_key *key, struct fault *f);

/* Overwrites the key and gives its memory back; accepts NULL. */
void store_key_wipe(struct store_key *key);
