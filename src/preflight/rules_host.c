/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt, this host and the store. */
#include <inttypes.h>
#include <string.h>

#include "preflight/rules.h"

enum { LIBVIRT_NEEDED = 8002000 }; /* virDomainQemuMonitorCommandWithFiles() */

void rule_libvirt_version(const struct preflight_facts *facts, struct preflight_report *r)
{
	unsigned long version = facts->libvirt_version;
	bool is_enough = version >= LIBVIRT_NEEDED;
	struct preflight_finding *finding;

	if (!version)
		return;
	finding = report_add(r, is_enough ? PREFLIGHT_OK : PREFLIGHT_BLOCKER, "libvirt");
	finding_because(finding, "it is %lu.%lu.%lu%s", version / 1000000, version / 1000 % 1000,
			version % 1000, is_enough ? "" : ", which passes no descriptors to QEMU");
	if (!is_enough)
		finding_cure(finding, "install libvirt 8.2 or newer");
}

void rule_job(const struct preflight_facts *facts, struct preflight_report *r)
{
	struct preflight_finding *finding;

	if (!facts->job[0])
		return;
	finding = report_add(r, PREFLIGHT_BLOCKER, "libvirt's job");
	finding_because(finding, "%s", facts->job);
	finding_cure(finding, "wait until it is over, or end it with virsh domjobabort");
}

/* A snapshot needs userfaultfd too: who may take one may restore so, on hosts that are set up the
 * same. */
void rule_lazy(const struct preflight_facts *facts, struct preflight_report *r)
{
	struct preflight_finding *finding;

	if (facts->probe == PROBE_CAN)
		finding_because(report_add(r, PREFLIGHT_OK, "lazy restore"),
				"a QEMU with the rights of this one can do it here");
	if (facts->probe == PROBE_CAN || !facts->qemu_is_seen || facts->qemu_may_trace ||
	    facts->userfaultfd_sysctl)
		return;
	finding = report_add(r, PREFLIGHT_RISK, "lazy restore");
	finding_because(finding,
			"a QEMU with the rights of this one (user %u) may not use userfaultfd: "
			"the guest would go on only when all its memory is there",
			(unsigned)facts->qemu_user);
	finding_cure(finding, "sysctl vm.unprivileged_userfaultfd=1 on all hosts");
}

/* ---- leases ------------------------------------------------------------------------------ */

void rule_lease(const struct preflight_facts *facts, struct preflight_report *r)
{
	struct preflight_finding *finding;

	if (facts->lock_manager_code) {
		finding = report_add(r, PREFLIGHT_RISK, "disk leases");
		finding_because(finding,
				"whether libvirt keeps any cannot be known: "
				"/etc/libvirt/qemu.conf: %s",
				strerror(-facts->lock_manager_code));
		finding_cure(finding, "run this as root");
	} else if (facts->lock_manager[0] && strcmp(facts->lock_manager, "nop") != 0) {
		finding = report_add(r, PREFLIGHT_RISK, "disk leases");
		finding_because(finding,
				"libvirt %s them with a snapshot (lock_manager is "
				"%s): nothing keeps a second host from the disks then",
				strcmp(facts->lock_manager, "lockd") != 0 ? "may lose" : "loses",
				facts->lock_manager);
		finding_cure(finding, "virsh suspend and resume after a snapshot takes them "
				      "again; or do without lock_manager");
	} else if (facts->machine.has_lease) {
		finding = report_add(r, PREFLIGHT_RISK, "disk leases");
		finding_because(finding, "the definition has a <lease>, and there is no "
					 "lock_manager to take it");
		finding_cure(finding, "take it out of the definition");
	}
}

/* ---- the store --------------------------------------------------------------------------- */

static void judge_room(const struct preflight_facts *facts, struct preflight_report *r)
{
	uint64_t free_mib = facts->store_free_bytes >> 20, ram_mib = facts->ram_bytes >> 20;
	enum preflight_severity severity = free_mib >= ram_mib	   ? PREFLIGHT_OK
					   : facts->has_checkpoint ? PREFLIGHT_RISK
								   : PREFLIGHT_BLOCKER;
	struct preflight_finding *finding = report_add(r, severity, "store");

	if (severity == PREFLIGHT_OK) {
		finding_because(finding,
				"it has %" PRIu64 " MiB free, the guest has %" PRIu64 " MiB of RAM",
				free_mib, ram_mib);
		return;
	}
	finding_because(finding,
			"it has %" PRIu64 " MiB free, %s may take as much as the guest's "
			"RAM, %" PRIu64 " MiB",
			free_mib,
			facts->has_checkpoint ? "a whole checkpoint" : "the first checkpoint",
			ram_mib);
	finding_cure(finding, "make room for %" PRIu64 " MiB more, or prune what is in it",
		     ram_mib - free_mib);
}

void rule_store(const struct preflight_facts *facts, struct preflight_report *r)
{
	struct preflight_finding *finding;

	if (!facts->has_store)
		return;
	if (facts->store_fault[0]) {
		finding = report_add(r, PREFLIGHT_BLOCKER, "store");
		finding_because(finding, "%s", facts->store_fault);
		finding_cure(finding, "make it so that this host can use the store");
	} else if (facts->store_room_unknown) {
		finding = report_add(r, PREFLIGHT_RISK, "store");
		finding_because(finding, "how much room it has is not known: the cluster has no "
					 "ceph-mgr that says so");
		finding_cure(finding, "start ceph-mgr");
	} else if (facts->ram_bytes) {
		judge_room(facts, r);
	}
}
