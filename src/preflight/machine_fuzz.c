/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the reading of a domain's XML, and the rules with what comes of it. */
#include "vmguard/preflight.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct preflight_facts facts = {.has_machine = true};
	struct preflight_report report = {0};
	struct fault f;

	if (preflight_machine_read((const char *)data, bytes, &facts.machine, &f) == 0)
		preflight_judge(&facts, &report, &f);
	preflight_report_clear(&report);
	preflight_facts_clear(&facts);
	return 0;
}
