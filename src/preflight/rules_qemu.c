/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU says of itself and of the guest. */
#include <stdio.h>
#include <string.h>

#include "preflight/rules.h"
#include "vmguard/hypervisor.h"

enum {
	SNAPSHOTS_SINCE = 600, /* QEMU 6.0: the capability background-snapshot */
	TESTED_SINCE = 702,    /* with QEMU 7.2 and 10.0 */
};

/* major * 100 + minor; 0: not known */
static unsigned version_of(const char *text)
{
	unsigned major, minor;

	return sscanf(text, "%3u.%2u", &major, &minor) == 2 ? major * 100 + minor : 0;
}

void rule_qemu_version(const struct preflight_facts *facts, struct preflight_report *r)
{
	unsigned version = version_of(facts->qemu_version);
	struct preflight_finding *finding;

	if (version >= TESTED_SINCE) {
		finding = report_add(r, PREFLIGHT_OK, "QEMU");
		finding_because(finding, "it is %s", facts->qemu_version);
	} else if (version >= SNAPSHOTS_SINCE) {
		finding = report_add(r, PREFLIGHT_RISK, "QEMU");
		finding_because(finding, "it is %s, and vmguard is tested with 7.2 and newer",
				facts->qemu_version);
		finding_cure(finding, "start the guest in a newer QEMU");
	} else if (version) {
		finding = report_add(r, PREFLIGHT_BLOCKER, "QEMU");
		finding_because(finding, "it is %s, which has no background snapshots",
				facts->qemu_version);
		finding_cure(finding, "start the guest in QEMU 6.0 or newer, best 7.2 or newer");
	}
}

/* ---- background snapshots ---------------------------------------------------------------- */

static void explain_rights(const struct preflight_facts *facts, struct preflight_finding *finding)
{
	char who[96] = "its rights cannot be seen from here";

	if (facts->qemu_is_seen)
		snprintf(who, sizeof(who), "it runs as user %u without CAP_SYS_PTRACE",
			 (unsigned)facts->qemu_user);
	if (facts->userfaultfd_sysctl < 0) {
		finding_because(finding, "this host's kernel has no userfaultfd (QEMU says: %s)",
				facts->probe_words);
		finding_cure(finding, "boot a kernel of 5.7 or newer with CONFIG_USERFAULTFD");
	} else if (facts->userfaultfd_sysctl || (facts->qemu_is_seen && facts->qemu_may_trace)) {
		finding_because(finding,
				"this host's kernel cannot write-protect memory by userfaultfd "
				"(QEMU says: %s)",
				facts->probe_words);
		finding_cure(finding, "boot a kernel of 5.7 or newer");
	} else {
		finding_because(finding,
				"QEMU may not use it: vm.unprivileged_userfaultfd is 0, and %s "
				"(QEMU says: %s)",
				who, facts->probe_words);
		finding_cure(finding, "sysctl vm.unprivileged_userfaultfd=1, and the same line in "
				      "/etc/sysctl.d; a QEMU that knows /dev/userfaultfd can "
				      "be let open that instead");
	}
}

static void explain_refusal(const struct preflight_facts *facts, struct preflight_report *r)
{
	static const char other[] = "Background-snapshot is not compatible with ";
	struct preflight_finding *finding = report_add(r, PREFLIGHT_BLOCKER, "userfaultfd");
	const char *words = facts->probe_words;

	if (strstr(words, "not supported by host kernel")) {
		explain_rights(facts, finding);
	} else if (strstr(words, "guest memory configuration")) {
		finding_because(finding,
				"the guest's memory cannot be write-protected (QEMU says: %s)",
				words);
		finding_cure(finding, "take memory that is neither shared nor a file for the "
				      "guest, or a kernel of 5.19 or newer");
	} else if (strstr(words, other)) {
		finding_because(finding,
				"the migration capability %s is on and excludes a "
				"snapshot",
				strstr(words, other) + strlen(other));
		finding_cure(finding, "switch it off with migrate-set-capabilities");
	} else {
		finding_because(finding, "QEMU refuses background snapshots: %s", words);
		finding_cure(finding, "QEMU's words name the cause");
	}
}

void rule_snapshots(const struct preflight_facts *facts, struct preflight_report *r)
{
	unsigned version = version_of(facts->qemu_version);

	if (facts->probe == PROBE_CAN)
		finding_because(report_add(r, PREFLIGHT_OK, "userfaultfd"),
				"QEMU can write-protect the guest's memory");
	else if (facts->probe == PROBE_CANNOT && version >= SNAPSHOTS_SINCE)
		explain_refusal(facts, r);
}

void rule_blocked(const struct preflight_facts *facts, struct preflight_report *r)
{
	for (size_t i = 0; i < facts->blocked.count; i++) {
		struct preflight_finding *finding =
			report_add(r, PREFLIGHT_BLOCKER, "device state");

		finding_because(finding, "QEMU says: %s", facts->blocked.list[i].text);
		finding_cure(finding, "remove that device or option from the guest");
	}
	if (!facts->blocked.count && version_of(facts->qemu_version) >= SNAPSHOTS_SINCE)
		finding_because(report_add(r, PREFLIGHT_OK, "device state"),
				"QEMU names nothing that it could not save");
}

/* ---- how it is now ----------------------------------------------------------------------- */

void rule_run_state(const struct preflight_facts *facts, struct preflight_report *r)
{
	const char *state = facts->run_state;
	struct preflight_finding *finding;

	if (!*state || !strcmp(state, "running"))
		return;
	finding = report_add(r, PREFLIGHT_BLOCKER, "guest");
	if (!strcmp(state, "inmigrate")) {
		finding_because(finding, "it waits for its memory: it is being restored, or "
					 "migrates to here");
		finding_cure(finding, "wait until that is complete");
	} else if (!strcmp(state, "paused") || !strcmp(state, "prelaunch") ||
		   !strcmp(state, "postmigrate")) {
		finding_because(finding, "it is paused, and a snapshot would resume it");
		finding_cure(finding, "resume it, or take its snapshots with --allow-resume");
	} else {
		finding_because(finding, "it does not run, QEMU says \"%s\"", state);
		finding_cure(finding, "see to it that it runs");
	}
}

void rule_migration(const struct preflight_facts *facts, struct preflight_report *r)
{
	struct preflight_finding *finding;

	if (!facts->migration[0] || migration_is_over(facts->migration))
		return;
	finding = report_add(r, PREFLIGHT_BLOCKER, "migration");
	finding_because(finding, "a migration or a snapshot is under way (%s)", facts->migration);
	finding_cure(finding, "wait until it is over; where it is a snapshot whose vmguard died, "
			      "run vmguard rescue");
}

/* ---- the CPU ----------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *beginning)
{
	return !strncmp(text, beginning, strlen(beginning));
}

void rule_cpu(const struct preflight_facts *facts, struct preflight_report *r)
{
	const char *mode = facts->machine.cpu_mode, *type = facts->cpu_type;
	struct preflight_finding *finding;

	if (!strcmp(mode, "host-passthrough") || starts_with(type, "host-")) {
		finding = report_add(r, PREFLIGHT_RISK, "CPU");
		finding_because(finding, "it is this host's own (host-passthrough): the guest goes "
					 "on only on a host with the same CPU model, microcode "
					 "and kernel");
	} else if (!strcmp(mode, "maximum") || starts_with(type, "max-")) {
		finding = report_add(r, PREFLIGHT_RISK, "CPU");
		finding_because(finding, "it has all that this host and this QEMU can (maximum): "
					 "the guest goes on only where both are the same");
	} else {
		if (*type)
			finding_because(report_add(r, PREFLIGHT_OK, "CPU"), "it is a named one, %s",
					type);
		return;
	}
	finding_cure(finding, "where hosts differ, give the guest a named CPU model that all have");
}
