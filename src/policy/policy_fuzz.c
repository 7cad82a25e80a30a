/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the text of a policy: what is read can be written, and reads the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/policy.h"
#include "vmguard/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_free char *text = strndup((const char *)data, bytes);
	auto_free char *written = NULL, *again = NULL;
	struct policy p;
	struct fault f;

	if (!text || policy_decode(text, &p, &f) < 0)
		return 0;
	if (policy_encode(&p, &written, &f) < 0 || policy_decode(written, &p, &f) < 0 ||
	    policy_encode(&p, &again, &f) < 0 || strcmp(written, again) != 0)
		__builtin_trap();
	return 0;
}
