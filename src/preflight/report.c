/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All rules, in the order in which they are read where their findings weigh the same. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "preflight/rules.h"

static preflight_rule *const rules[] = {
	rule_run_state, rule_job,     rule_migration, rule_qemu_version, rule_libvirt_version,
	rule_snapshots, rule_blocked, rule_lazy,      rule_cpu,		 rule_definition,
	rule_memory,	rule_devices, rule_disks,     rule_files,	 rule_lease,
	rule_store,
};

struct preflight_finding *report_add(struct preflight_report *r, enum preflight_severity severity,
				     const char *what, ...)
{
	size_t bytes = (r->count + 1) * sizeof(*r->findings);
	struct preflight_finding *grown = realloc(r->findings, bytes);
	va_list values;

	if (!grown) { /* the rules need not care */
		r->is_cut = true;
		return &r->lost;
	}
	r->findings = grown;
	struct preflight_finding *finding = &grown[r->count++];
	*finding = (struct preflight_finding){.severity = severity};
	va_start(values, what);
	vsnprintf(finding->what, sizeof(finding->what), what, values);
	va_end(values);
	r->blockers += severity == PREFLIGHT_BLOCKER;
	r->risks += severity == PREFLIGHT_RISK;
	return finding;
}

void finding_because(struct preflight_finding *finding, const char *why, ...)
{
	va_list values;

	va_start(values, why);
	vsnprintf(finding->why, sizeof(finding->why), why, values);
	va_end(values);
}

void finding_cure(struct preflight_finding *finding, const char *remedy, ...)
{
	va_list values;

	va_start(values, remedy);
	vsnprintf(finding->remedy, sizeof(finding->remedy), remedy, values);
	va_end(values);
}

/* Keeps the order of the rules within a severity. */
static int sort(struct preflight_report *r)
{
	struct preflight_finding *sorted = calloc(r->count + 1, sizeof(*sorted));
	size_t count = 0;

	if (!sorted)
		return -ENOMEM;
	for (int severity = PREFLIGHT_BLOCKER; severity <= PREFLIGHT_OK; severity++)
		for (size_t i = 0; i < r->count; i++)
			if ((int)r->findings[i].severity == severity)
				sorted[count++] = r->findings[i];
	free(r->findings);
	r->findings = sorted;
	return 0;
}

int preflight_judge(const struct preflight_facts *facts, struct preflight_report *r,
		    struct fault *f)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](facts, r);
	if (r->is_cut || sort(r) < 0)
		return fault_errno(f, -ENOMEM, "list what was found");
	return 0;
}

void preflight_report_clear(struct preflight_report *r)
{
	free(r->findings);
	*r = (struct preflight_report){0};
}

const char *preflight_severity_name(enum preflight_severity severity)
{
	static const char *const names[] = {
		[PREFLIGHT_BLOCKER] = "blocker", [PREFLIGHT_RISK] = "risk", [PREFLIGHT_OK] = "ok"};

	return names[severity];
}
