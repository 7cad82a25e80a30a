/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any body that comes with a status: a fault with a sentence that can be shown. */
#include <stdint.h>
#include <stdlib.h>

#include "client/problem.h"
#include "vmguard/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	unsigned status = bytes ? 300 + data[0] : 500;
	struct fault f;
	int r = problem_read("vmguardd", status, (const char *)data, bytes, &f);

	if (r >= 0 || r != f.code || !utf8_is_printable(f.text))
		abort();
	return 0;
}
