/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each rule against facts of our own; a healthy guest has neither blockers nor risks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "vmguard/preflight.h"

static struct fault fault;
static struct preflight_report report;
static struct preflight_facts facts;

static void begin(void)
{
	preflight_report_clear(&report);
	facts = (struct preflight_facts){
		.has_machine = true,
		.machine.cpu_mode = "custom",
		.libvirt_version = 9000000,
		.qemu_version = "7.2.22",
		.run_state = "running",
		.migration = "none",
		.probe = PROBE_CAN,
		.cpu_type = "Skylake-Client-x86_64-cpu",
		.ram_bytes = 1 << 30,
		.qemu_is_seen = true,
		.qemu_user = 64055,
		.userfaultfd_sysctl = 1,
		.has_store = true,
		.store_free_bytes = UINT64_C(4) << 30,
	};
}

static void judge(void)
{
	preflight_report_clear(&report);
	ck_assert_int_eq(preflight_judge(&facts, &report, &fault), 0);
	for (size_t i = 0; i < report.count; i++) {
		const struct preflight_finding *finding = &report.findings[i];

		ck_assert(finding->what[0] && finding->why[0]);
		ck_assert_msg((finding->severity == PREFLIGHT_OK) == !finding->remedy[0], "%s",
			      finding->why);
	}
}

/* Exactly one finding that is not ok: this. */
static void must_find(enum preflight_severity severity, const char *what, const char *why)
{
	judge();
	ck_assert_uint_eq(report.blockers, severity == PREFLIGHT_BLOCKER);
	ck_assert_uint_eq(report.risks, severity == PREFLIGHT_RISK);
	ck_assert_int_eq(report.findings[0].severity, severity);
	ck_assert_str_eq(report.findings[0].what, what);
	ck_assert_msg(strstr(report.findings[0].why, why) != NULL, "%s", report.findings[0].why);
}

static void must_find_nothing(void)
{
	judge();
	ck_assert_uint_eq(report.blockers + report.risks, 0);
}

START_TEST(finds_nothing_at_a_healthy_guest)
{
	begin();
	must_find_nothing();
	ck_assert_uint_eq(report.count, 9);
	ck_assert_str_eq(preflight_severity_name(report.findings[0].severity), "ok");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(knows_which_qemu_can)
{
	static const struct {
		const char *version;
		enum preflight_severity severity;
	} cases[] = {
		{"5.2.0", PREFLIGHT_BLOCKER}, {"6.0.0", PREFLIGHT_RISK}, {"7.1.0", PREFLIGHT_RISK},
		{"7.2.22", PREFLIGHT_OK},     {"10.0.2", PREFLIGHT_OK},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		snprintf(facts.qemu_version, sizeof(facts.qemu_version), "%s", cases[i].version);
		if (cases[i].severity == PREFLIGHT_OK)
			must_find_nothing();
		else
			must_find(cases[i].severity, "QEMU", cases[i].version);
	}
	preflight_report_clear(&report);
}
END_TEST

START_TEST(blames_only_the_version_where_that_is_the_cause)
{
	begin();
	strcpy(facts.qemu_version, "5.2.0");
	facts.probe = PROBE_CANNOT;
	must_find(PREFLIGHT_BLOCKER, "QEMU", "5.2.0");
	preflight_report_clear(&report);
}
END_TEST

static void refuse(const char *words)
{
	begin();
	facts.probe = PROBE_CANNOT;
	snprintf(facts.probe_words, sizeof(facts.probe_words), "%s", words);
}

START_TEST(explains_why_qemu_cannot_write_protect_memory)
{
	static const char kernel[] = "Background-snapshot is not supported by host kernel";

	refuse(kernel);
	facts.userfaultfd_sysctl = -1;
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "has no userfaultfd");
	refuse(kernel);
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "cannot write-protect");
	refuse("Background-snapshot is not compatible with guest memory configuration");
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "memory cannot be write-protected");
	refuse("Background-snapshot is not compatible with multifd");
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "capability multifd is on");
	refuse("Something new");
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "Something new");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(tells_a_lack_of_rights_from_a_lack_of_the_kernel)
{
	static const char kernel[] = "Background-snapshot is not supported by host kernel";

	refuse(kernel);
	facts.userfaultfd_sysctl = 0;
	judge();
	ck_assert_uint_eq(report.blockers, 1);
	ck_assert_ptr_nonnull(strstr(report.findings[0].why, "user 64055 without CAP_SYS_PTRACE"));
	ck_assert_ptr_nonnull(strstr(report.findings[0].remedy, "vm.unprivileged_userfaultfd=1"));
	ck_assert_uint_eq(report.risks, 1);
	ck_assert_str_eq(report.findings[1].what, "lazy restore");
	facts.qemu_may_trace = true;
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "cannot write-protect");
	facts.qemu_is_seen = false;
	must_find(PREFLIGHT_BLOCKER, "userfaultfd", "cannot be seen from here");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(believes_a_qemu_that_has_another_way_to_userfaultfd)
{
	begin();
	facts.userfaultfd_sysctl = 0; /* it may open /dev/userfaultfd */
	must_find_nothing();
	preflight_report_clear(&report);
}
END_TEST

START_TEST(passes_on_each_reason_of_qemu)
{
	static struct preflight_reason reasons[] = {{.text = "the first"}, {.text = "the second"}};

	begin();
	facts.blocked = (struct preflight_reasons){reasons, 2};
	judge();
	ck_assert_uint_eq(report.blockers, 2);
	ck_assert_str_eq(report.findings[0].why, "QEMU says: the first");
	ck_assert_str_eq(report.findings[1].why, "QEMU says: the second");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(refuses_a_guest_that_does_not_run)
{
	static const char *const paused[] = {"paused", "prelaunch", "postmigrate"};

	for (int i = 0; i < 3; i++) {
		begin();
		strcpy(facts.run_state, paused[i]);
		must_find(PREFLIGHT_BLOCKER, "guest", "is paused");
	}
	strcpy(facts.run_state, "inmigrate");
	must_find(PREFLIGHT_BLOCKER, "guest", "waits for its memory");
	strcpy(facts.run_state, "guest-panicked");
	must_find(PREFLIGHT_BLOCKER, "guest", "\"guest-panicked\"");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(refuses_where_others_are_at_work)
{
	begin();
	strcpy(facts.migration, "active");
	facts.probe = PROBE_UNKNOWN;
	must_find(PREFLIGHT_BLOCKER, "migration", "active");
	begin();
	strcpy(facts.migration, "completed");
	must_find_nothing();
	strcpy(facts.job, "libvirt is at work on the domain (job: dump)");
	must_find(PREFLIGHT_BLOCKER, "libvirt's job", "job: dump");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(warns_of_a_cpu_that_other_hosts_lack)
{
	begin();
	strcpy(facts.machine.cpu_mode, "host-passthrough");
	must_find(PREFLIGHT_RISK, "CPU", "same CPU model");
	begin();
	facts.machine.cpu_mode[0] = '\0';
	strcpy(facts.cpu_type, "host-x86_64-cpu");
	must_find(PREFLIGHT_RISK, "CPU", "same CPU model");
	strcpy(facts.cpu_type, "max-x86_64-cpu");
	must_find(PREFLIGHT_RISK, "CPU", "maximum");
	begin();
	strcpy(facts.machine.cpu_mode, "maximum");
	must_find(PREFLIGHT_RISK, "CPU", "maximum");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(knows_what_memory_costs)
{
	begin();
	facts.machine.has_encrypted_memory = true;
	must_find(PREFLIGHT_BLOCKER, "memory", "encrypted");
	begin();
	facts.machine.has_hugepages = true;
	must_find(PREFLIGHT_RISK, "memory", "huge pages");
	begin();
	facts.machine.has_shared_memory = true;
	must_find(PREFLIGHT_RISK, "memory", "shared");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(has_a_rule_for_every_kind_of_device)
{
	static const enum preflight_severity expected[DEVICE_KINDS] = {
		[DEVICE_VFIO] = PREFLIGHT_BLOCKER,
		[DEVICE_VDPA] = PREFLIGHT_BLOCKER,
		[DEVICE_VHOST_USER] = PREFLIGHT_BLOCKER,
		[DEVICE_SCSI] = PREFLIGHT_BLOCKER,
		[DEVICE_USB] = PREFLIGHT_RISK,
		[DEVICE_TPM_CHIP] = PREFLIGHT_BLOCKER,
		[DEVICE_TPM_EMULATOR] = PREFLIGHT_RISK,
		[DEVICE_SHARED_FOLDER] = PREFLIGHT_RISK,
		[DEVICE_SHARED_MEMORY] = PREFLIGHT_RISK,
		[DEVICE_TRANSIENT_DISK] = PREFLIGHT_BLOCKER,
	};
	struct preflight_device device = {.what = "it"};

	for (device.kind = 0; device.kind < DEVICE_KINDS; device.kind++) {
		begin();
		facts.machine.devices = &device;
		facts.machine.device_count = 1;
		must_find(expected[device.kind], "it", "");
	}
	preflight_report_clear(&report);
}
END_TEST

START_TEST(names_every_disk_without_snapshots)
{
	static struct preflight_reason reasons[] = {
		{"vda", "its file is raw (Not supported): use qcow2"},
		{"vdb", "its data lies in a file of its own"},
	};

	begin();
	facts.disks = (struct preflight_reasons){reasons, 2};
	judge();
	ck_assert_uint_eq(report.blockers, 2);
	ck_assert_str_eq(report.findings[0].what, "disk vda");
	ck_assert_str_eq(report.findings[0].why, "it cannot be kept with the guest's memory: its "
						 "file is raw (Not supported)");
	ck_assert_str_eq(report.findings[0].remedy, "use qcow2");
	ck_assert_str_eq(report.findings[1].what, "disk vdb");
	ck_assert_str_eq(report.findings[1].why, "it cannot be kept with the guest's memory: its "
						 "data lies in a file of its own");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(warns_of_files_that_other_hosts_lack)
{
	struct preflight_file file = {
		.what = "disk vda", .path = "/srv/a", .filesystem = "nfs", .is_shared = true};

	begin();
	facts.machine.files = &file;
	facts.machine.file_count = 1;
	must_find_nothing();
	file.is_shared = false;
	strcpy(file.filesystem, "ext4");
	must_find(PREFLIGHT_RISK, "disk vda", "/srv/a is on a file system of this host (ext4)");
	ck_assert_ptr_nonnull(strstr(report.findings[0].remedy, "RBD"));
	strcpy(file.what, "nvram");
	must_find(PREFLIGHT_RISK, "nvram", "ext4");
	ck_assert_ptr_null(strstr(report.findings[0].remedy, "RBD"));
	file.code = -ENOENT;
	file.is_shared = true;
	must_find(PREFLIGHT_RISK, "nvram", "cannot be seen here: No such file");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(warns_of_leases_that_are_lost)
{
	begin();
	strcpy(facts.lock_manager, "lockd");
	must_find(PREFLIGHT_RISK, "disk leases", "loses them");
	strcpy(facts.lock_manager, "sanlock");
	must_find(PREFLIGHT_RISK, "disk leases", "may lose them");
	strcpy(facts.lock_manager, "nop");
	must_find_nothing();
	facts.machine.has_lease = true;
	must_find(PREFLIGHT_RISK, "disk leases", "<lease>");
	facts.lock_manager_code = -EACCES;
	must_find(PREFLIGHT_RISK, "disk leases", "Permission denied");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(knows_which_libvirt_can)
{
	begin();
	facts.libvirt_version = 8001099;
	must_find(PREFLIGHT_BLOCKER, "libvirt", "it is 8.1.99");
	facts.libvirt_version = 8002000;
	must_find_nothing();
	preflight_report_clear(&report);
}
END_TEST

START_TEST(says_what_a_socket_does_not_tell)
{
	begin();
	facts.has_machine = false;
	facts.libvirt_version = 0;
	must_find(PREFLIGHT_RISK, "devices", "were not looked at");
	preflight_report_clear(&report);
}
END_TEST

START_TEST(wants_room_in_the_store)
{
	begin();
	facts.store_free_bytes = 600 << 20;
	must_find(PREFLIGHT_BLOCKER, "store", "the first checkpoint may take");
	ck_assert_ptr_nonnull(strstr(report.findings[0].remedy, "424 MiB more"));
	facts.has_checkpoint = true;
	must_find(PREFLIGHT_RISK, "store", "a whole checkpoint may take");
	facts.store_room_unknown = true;
	must_find(PREFLIGHT_RISK, "store", "not known");
	strcpy(facts.store_fault, "no cluster");
	must_find(PREFLIGHT_BLOCKER, "store", "no cluster");
	facts.has_store = false;
	must_find_nothing();
	preflight_report_clear(&report);
}
END_TEST

START_TEST(names_blockers_before_risks)
{
	begin();
	strcpy(facts.lock_manager, "lockd");
	strcpy(facts.machine.cpu_mode, "host-passthrough");
	facts.libvirt_version = 8000000;
	facts.store_free_bytes = 0;
	judge();
	ck_assert_uint_eq(report.blockers, 2);
	ck_assert_uint_eq(report.risks, 2);
	ck_assert_str_eq(report.findings[0].what, "libvirt");
	ck_assert_str_eq(report.findings[1].what, "store");
	ck_assert_str_eq(report.findings[2].what, "CPU");
	ck_assert_str_eq(report.findings[3].what, "disk leases");
	ck_assert_int_eq(report.findings[4].severity, PREFLIGHT_OK);
	preflight_report_clear(&report);
}
END_TEST

START_TEST(finds_nothing_wrong_with_what_is_not_known)
{
	begin();
	facts = (struct preflight_facts){.has_machine = true};
	must_find_nothing();
	preflight_report_clear(&report);
}
END_TEST

UNIT_MAIN("rules", finds_nothing_at_a_healthy_guest, knows_which_qemu_can,
	  blames_only_the_version_where_that_is_the_cause,
	  explains_why_qemu_cannot_write_protect_memory,
	  tells_a_lack_of_rights_from_a_lack_of_the_kernel,
	  believes_a_qemu_that_has_another_way_to_userfaultfd, passes_on_each_reason_of_qemu,
	  refuses_a_guest_that_does_not_run, refuses_where_others_are_at_work,
	  warns_of_a_cpu_that_other_hosts_lack, knows_what_memory_costs,
	  has_a_rule_for_every_kind_of_device, names_every_disk_without_snapshots,
	  warns_of_files_that_other_hosts_lack, warns_of_leases_that_are_lost,
	  knows_which_libvirt_can, says_what_a_socket_does_not_tell, wants_room_in_the_store,
	  names_blockers_before_risks, finds_nothing_wrong_with_what_is_not_known)
