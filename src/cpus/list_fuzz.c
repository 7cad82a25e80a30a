/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list that is read is written so that it reads as the same, unless it had to be cut. */
#include "vmguard/cpus.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_free char *text = calloc(1, bytes + 1);
	char again[CPUS_TEXT_BYTES];
	cpu_set_t set, reread;
	struct fault fault;

	if (!text)
		return 0;
	memcpy(text, data, bytes);
	if (cpus_parse(text, &set, &fault) < 0)
		return 0;
	if (CPU_COUNT(&set) == 0 || strlen(cpus_format(&set, again)) == 0)
		abort();
	if (strstr(again, "…"))
		return 0;
	if (cpus_parse(again, &reread, &fault) < 0 || !CPU_EQUAL(&set, &reread))
		abort();
	return 0;
}
