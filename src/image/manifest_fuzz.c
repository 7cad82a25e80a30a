/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manifest that decodes must, encoded and decoded again, be the same one. */
#include "image/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "vmguard/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_free char *first = NULL;
	auto_free char *second = NULL;
	struct manifest m;
	struct fault f;
	size_t length, length_again;

	if (manifest_decode(&m, (const char *)data, bytes, &f) < 0)
		return 0;
	if (manifest_encode(&m, &first, &length, &f) < 0)
		abort();
	manifest_clear(&m);
	if (manifest_decode(&m, first, length, &f) < 0 ||
	    manifest_encode(&m, &second, &length_again, &f) < 0)
		abort();
	manifest_clear(&m);
	if (length != length_again || memcmp(first, second, length))
		abort();
	return 0;
}
