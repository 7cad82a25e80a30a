/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt's definition of the guest says. */
#include <string.h>

#include "preflight/rules.h"

void rule_definition(const struct preflight_facts *facts, struct preflight_report *r)
{
	struct preflight_finding *finding;

	if (facts->has_machine)
		return;
	finding = report_add(r, PREFLIGHT_RISK, "devices");
	finding_because(finding, "a QMP socket does not tell of host devices and of files: they "
				 "were not looked at");
	finding_cure(finding, "look at QEMU's command line; of a domain of libvirt, name it with "
			      "--domain");
}

/* ---- memory ------------------------------------------------------------------------------ */

void rule_memory(const struct preflight_facts *facts, struct preflight_report *r)
{
	const struct preflight_machine *m = &facts->machine;
	struct preflight_finding *finding;

	if (m->has_encrypted_memory) {
		finding = report_add(r, PREFLIGHT_BLOCKER, "memory");
		finding_because(finding, "it is encrypted by the CPU (launchSecurity): nobody "
					 "outside of the guest can read it");
		finding_cure(finding, "take launchSecurity out of the definition");
	}
	if (m->has_hugepages) {
		finding = report_add(r, PREFLIGHT_RISK, "memory");
		finding_because(finding, "it lies in huge pages: a write during a snapshot waits "
					 "for a whole one, and so does a lazy restore");
		finding_cure(finding, "measure the guest under load; ordinary pages wait less");
	}
	if (m->has_shared_memory) {
		finding = report_add(r, PREFLIGHT_RISK, "memory");
		finding_because(finding, "it is shared: who else writes to it is not held back by "
					 "a snapshot, and a lazy restore is not possible");
		finding_cure(finding, "take <access mode='shared'/> out of the definition where "
				      "no device needs it");
	}
}

/* ---- devices ----------------------------------------------------------------------------- */

static const struct {
	enum preflight_severity severity;
	const char *why, *remedy;
} device_rules[DEVICE_KINDS] = {
	[DEVICE_VFIO] = {PREFLIGHT_BLOCKER,
			 "it is a device of this host (VFIO) that writes to the guest's memory by "
			 "itself, and whose state QEMU cannot save",
			 "take an emulated or virtio device in its place"},
	[DEVICE_VDPA] = {PREFLIGHT_BLOCKER,
			 "it is a device of this host (vDPA) that writes to the guest's memory by "
			 "itself",
			 "take virtio with a tap device in its place"},
	[DEVICE_VHOST_USER] = {PREFLIGHT_BLOCKER,
			       "it is done by another process (vhost-user), whose writes to the "
			       "guest's memory a snapshot does not see",
			       "take a device that QEMU or the kernel itself does in its place"},
	[DEVICE_SCSI] = {PREFLIGHT_BLOCKER,
			 "it is a SCSI device of this host, of which no snapshot can be taken with "
			 "the guest's",
			 "take a qcow2 file or an RBD image as a disk in its place"},
	[DEVICE_USB] = {PREFLIGHT_RISK,
			"it is a USB device of this host: a guest that goes on elsewhere finds it "
			"unplugged",
			"detach it, or plug its like into the other hosts"},
	[DEVICE_TPM_CHIP] = {PREFLIGHT_BLOCKER,
			     "it is the TPM of this host, whose state cannot be saved",
			     "take an emulated TPM"},
	[DEVICE_TPM_EMULATOR] = {PREFLIGHT_RISK,
				 "its secrets go back to the checkpoint with the guest, and "
				 "libvirt keeps their file on this host alone",
				 "keep what depends on the TPM's counters out of the guest, and "
				 "try a restore on another host"},
	[DEVICE_SHARED_FOLDER] = {PREFLIGHT_RISK,
				  "it is a folder of this host: it does not go back to the "
				  "checkpoint, and QEMU saves no guest that has it mounted",
				  "take a network file system in the guest"},
	[DEVICE_SHARED_MEMORY] = {PREFLIGHT_RISK,
				  "it is memory that other processes write to: it is not of one "
				  "instant with the guest",
				  "remove it where nothing needs it"},
	[DEVICE_TRANSIENT_DISK] = {PREFLIGHT_BLOCKER,
				   "what the guest writes to it is thrown away with its QEMU "
				   "(transient), and a guest that goes on would miss it",
				   "take <transient/> out of the definition"},
};

void rule_devices(const struct preflight_facts *facts, struct preflight_report *r)
{
	const struct preflight_machine *m = &facts->machine;

	for (size_t i = 0; i < m->device_count; i++) {
		enum preflight_device_kind kind = m->devices[i].kind;
		struct preflight_finding *finding =
			report_add(r, device_rules[kind].severity, "%s", m->devices[i].what);

		finding_because(finding, "%s", device_rules[kind].why);
		finding_cure(finding, "%s", device_rules[kind].remedy);
	}
	if (facts->has_machine && !m->device_count)
		finding_because(report_add(r, PREFLIGHT_OK, "devices"),
				"there is none that is bound to this host");
}

/* ---- disks ------------------------------------------------------------------------------- */

/* What helps stands behind the last colon. */
void rule_disks(const struct preflight_facts *facts, struct preflight_report *r)
{
	for (size_t i = 0; i < facts->disks.count; i++) {
		const struct preflight_reason *reason = &facts->disks.list[i];
		const char *colon = strrchr(reason->text, ':');
		int length = colon && colon[1] == ' ' ? (int)(colon - reason->text) : -1;
		struct preflight_finding *finding =
			report_add(r, PREFLIGHT_BLOCKER, "disk %s", reason->what);

		finding_because(finding, "it cannot be kept with the guest's memory: %.*s", length,
				reason->text);
		finding_cure(finding, "%s",
			     length >= 0 ? colon + 2 : "put it into a qcow2 file or an RBD image");
	}
}

/* ---- files ------------------------------------------------------------------------------- */

void rule_files(const struct preflight_facts *facts, struct preflight_report *r)
{
	const struct preflight_machine *m = &facts->machine;
	bool all_shared = true;

	for (size_t i = 0; i < m->file_count; i++) {
		const struct preflight_file *file = &m->files[i];
		struct preflight_finding *finding;

		if (!file->code && file->is_shared)
			continue;
		all_shared = false;
		finding = report_add(r, PREFLIGHT_RISK, "%s", file->what);
		if (file->code)
			finding_because(finding, "%s cannot be seen here: %s", file->path,
					strerror(-file->code));
		else
			finding_because(finding,
					"%s is on a file system of this host (%s): no other host "
					"can go on with the guest",
					file->path, file->filesystem);
		finding_cure(finding, "put it on shared storage%s",
			     strstr(file->what, "disk") ? ", or into an RBD image" : "");
	}
	if (facts->has_machine && all_shared)
		finding_because(report_add(r, PREFLIGHT_OK, "files"),
				"the guest needs none that only this host has");
}
