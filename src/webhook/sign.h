/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures of requests: HMAC-SHA256 (RFC 2104) over the time, a full stop, and the body. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum { SIGNATURE_BYTES = 128 };

struct secret;

/* All of the file but a newline at its end. -EINVAL: it is empty, too long or everyone's. */
int secret_read(const char *path, struct secret **s, struct fault *f);
void secret_wipe(struct secret *s); /* accepts NULL */
SCOPE_CLOSER(secret_wipe, struct secret)

/* "t=TIME,v1=HEX", for a header. */
int secret_sign(const struct secret *s, int64_t time_s, const char *body,
		char signature[SIGNATURE_BYTES], struct fault *f);
