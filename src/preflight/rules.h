/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules: each looks at the facts and adds what it finds, at most one `ok`. Where a fact is not
 * known it adds nothing, or a risk that says so. They are pure.
 */
#pragma once

#include "vmguard/preflight.h"

/* Adds a finding without reasons; never NULL. `what` is a printf() format. */
struct preflight_finding *report_add(struct preflight_report *r, enum preflight_severity severity,
				     const char *what, ...) __attribute__((format(printf, 3, 4)));
/* The sentences of a finding. */
void finding_because(struct preflight_finding *finding, const char *why, ...)
	__attribute__((format(printf, 2, 3)));
void finding_cure(struct preflight_finding *finding, const char *remedy, ...)
	__attribute__((format(printf, 2, 3)));

typedef void preflight_rule(const struct preflight_facts *facts, struct preflight_report *r);

/* rules_qemu.c */
preflight_rule rule_qemu_version, rule_snapshots, rule_blocked, rule_run_state, rule_migration,
	rule_cpu;
/* rules_machine.c */
preflight_rule rule_definition, rule_memory, rule_devices, rule_disks, rule_files;
/* rules_host.c */
preflight_rule rule_libvirt_version, rule_job, rule_lazy, rule_lease, rule_store;
