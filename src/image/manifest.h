/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manifest as JSON. Encode and decode stand side by side in manifest.c. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"

/* The JSON text, which the caller frees. -ENOMEM. */
int manifest_encode(const struct manifest *m, char **text, size_t *length, struct fault *f);

/* Checks every field's type and range. -EBADMSG names the field. *m is cleared on failure. */
int manifest_decode(struct manifest *m, const char *text, size_t length, struct fault *f);

/* A deep copy; `to` is overwritten. -ENOMEM. */
int entry_list_copy(struct entry_list *to, const struct entry_list *from, struct fault *f);
