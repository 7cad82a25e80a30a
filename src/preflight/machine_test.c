/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On definitions as libvirt 9.0 writes them: the fuzzer's corpus. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "vmguard/document.h"
#include "vmguard/preflight.h"

static struct fault fault;
static struct preflight_machine machine;

static size_t read_sample(const char *name, char *text, size_t bytes)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/src/preflight/corpus/machine/%s", getenv("SOURCE_ROOT"),
		 name);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s", path);
	size_t length = fread(text, 1, bytes, file);
	fclose(file);
	return length;
}

static int read_machine(const char *name)
{
	static char text[16384];
	size_t length = read_sample(name, text, sizeof(text));

	preflight_machine_clear(&machine);
	return preflight_machine_read(text, length, &machine, &fault);
}

static void must_have_device(size_t place, enum preflight_device_kind kind, const char *what)
{
	ck_assert_uint_lt(place, machine.device_count);
	ck_assert_int_eq(machine.devices[place].kind, kind);
	ck_assert_str_eq(machine.devices[place].what, what);
}

static void must_have_file(size_t place, const char *what, const char *path)
{
	ck_assert_uint_lt(place, machine.file_count);
	ck_assert_str_eq(machine.files[place].what, what);
	ck_assert_str_eq(machine.files[place].path, path);
}

START_TEST(reads_a_guest_with_nothing_special)
{
	ck_assert_msg(read_machine("plain") == 0, "%s", fault.text);
	ck_assert_str_eq(machine.name, "web1");
	ck_assert_str_eq(machine.uuid, "6c0ed4e5-0c0a-4f0e-9d1a-2f9f0c1b7a11");
	ck_assert_str_eq(machine.cpu_mode, "custom");
	ck_assert(!machine.has_hugepages && !machine.has_shared_memory &&
		  !machine.has_encrypted_memory && !machine.has_lease);
	ck_assert_uint_eq(machine.device_count + machine.file_count, 0);
	preflight_machine_clear(&machine);
}
END_TEST

START_TEST(finds_devices_of_this_host)
{
	size_t i = 0;

	ck_assert_int_eq(read_machine("devices"), 0);
	must_have_device(i++, DEVICE_VFIO, "hostdev pci 0x0000:0x65:0x00.0x0");
	must_have_device(i++, DEVICE_VFIO, "hostdev mdev c2177883-f1bb-47f0-914d-32a22e3a8804");
	must_have_device(i++, DEVICE_VFIO, "interface 52:54:00:00:00:02");
	must_have_device(i++, DEVICE_VFIO, "disk vdn");
	must_have_device(i++, DEVICE_VDPA, "interface 52:54:00:00:00:04");
	must_have_device(i++, DEVICE_VHOST_USER, "interface 52:54:00:00:00:03");
	must_have_device(i++, DEVICE_VHOST_USER, "disk vdu");
	must_have_device(i++, DEVICE_VHOST_USER, "filesystem srv");
	must_have_device(i++, DEVICE_VHOST_USER, "video");
	must_have_device(i++, DEVICE_SCSI, "hostdev scsi hostdev2");
	must_have_device(i++, DEVICE_SCSI, "hostdev scsi_host naa.50014057667280d8");
	must_have_device(i++, DEVICE_USB, "hostdev usb 0x1234:0xbeef");
	must_have_device(i++, DEVICE_TPM_CHIP, "tpm");
	must_have_device(i++, DEVICE_TPM_EMULATOR, "tpm");
	must_have_device(i++, DEVICE_SHARED_FOLDER, "filesystem home");
	must_have_device(i++, DEVICE_SHARED_MEMORY, "shmem board");
	ck_assert_uint_eq(machine.device_count, i);
	preflight_machine_clear(&machine);
}
END_TEST

START_TEST(finds_how_memory_and_cpu_are)
{
	ck_assert_int_eq(read_machine("devices"), 0);
	ck_assert_str_eq(machine.cpu_mode, "host-passthrough");
	ck_assert(machine.has_hugepages && machine.has_shared_memory && machine.has_lease &&
		  !machine.has_encrypted_memory);
	ck_assert_int_eq(read_machine("disks"), 0);
	ck_assert_str_eq(machine.cpu_mode, "");
	ck_assert(!machine.has_hugepages && machine.has_shared_memory && !machine.has_lease &&
		  machine.has_encrypted_memory);
	preflight_machine_clear(&machine);
}
END_TEST

START_TEST(finds_disks_that_are_thrown_away)
{
	ck_assert_int_eq(read_machine("disks"), 0);
	must_have_device(0, DEVICE_TRANSIENT_DISK, "disk vdc");
	ck_assert_uint_eq(machine.device_count, 1);
	preflight_machine_clear(&machine);
}
END_TEST

START_TEST(finds_every_file)
{
	size_t i = 0;

	ck_assert_int_eq(read_machine("disks"), 0);
	must_have_file(i++, "disk vda", "/srv/top.qcow2");
	must_have_file(i++, "the backing file of disk vda", "/srv/middle.qcow2");
	must_have_file(i++, "the backing file of disk vda", "/srv/base.raw");
	must_have_file(i++, "cdrom sda", "/srv/a & b.iso");
	must_have_file(i++, "floppy fda", "/srv/boot.img");
	must_have_file(i++, "kernel", "/boot/guest");
	must_have_file(i++, "initrd", "/boot/guest.img");
	must_have_file(i++, "nvram", "/var/lib/libvirt/qemu/nvram/db_VARS.fd");
	must_have_file(i++, "memory device", "/srv/nvdimm");
	ck_assert_uint_eq(machine.file_count, i);
	ck_assert_int_eq(read_machine("nvram-source"), 0);
	must_have_file(0, "nvram", "/srv/n_VARS.fd");
	ck_assert_uint_eq(machine.file_count, 1);
	preflight_machine_clear(&machine);
}
END_TEST

START_TEST(refuses_what_is_no_domain)
{
	static const char *const samples[] = {"no-name", "network", "entities"};

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		ck_assert_msg(read_machine(samples[i]) == -EBADMSG, "%s", samples[i]);
		ck_assert_uint_eq(machine.device_count + machine.file_count, 0);
	}
	ck_assert_int_eq(preflight_machine_read("", 0, &machine, &fault), -EBADMSG);
	ck_assert_int_eq(preflight_machine_read("<domain>\n<name>a", 16, &machine, &fault),
			 -EBADMSG);
	ck_assert_ptr_nonnull(strstr(fault.text, "line 2"));
	ck_assert_int_eq(preflight_machine_read("", (size_t)DOCUMENT_BYTES + 1, &machine, &fault),
			 -EFBIG);
}
END_TEST

START_TEST(refuses_a_definition_that_is_cut_anywhere)
{
	static char text[16384];
	size_t length = read_sample("disks", text, sizeof(text)) - 1; /* without the newline */

	for (size_t cut = 0; cut < length; cut++)
		ck_assert_int_eq(preflight_machine_read(text, cut, &machine, &fault), -EBADMSG);
	ck_assert_int_eq(preflight_machine_read(text, length, &machine, &fault), 0);
	preflight_machine_clear(&machine);
}
END_TEST

START_TEST(cuts_what_is_too_long)
{
	char text[4096], path[2048];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	int length =
		snprintf(text, sizeof(text),
			 "<domain><name>a</name><devices><disk type='file'><source file='/%s'/>"
			 "</disk></devices></domain>",
			 path);
	ck_assert_int_eq(preflight_machine_read(text, length, &machine, &fault), 0);
	ck_assert_uint_eq(strlen(machine.files[0].path), PREFLIGHT_PATH_BYTES - 1);
	ck_assert_str_eq(machine.files[0].what, "disk ");
	preflight_machine_clear(&machine);
}
END_TEST

UNIT_MAIN("machine", reads_a_guest_with_nothing_special, finds_devices_of_this_host,
	  finds_how_memory_and_cpu_are, finds_disks_that_are_thrown_away, finds_every_file,
	  refuses_what_is_no_domain, refuses_a_definition_that_is_cut_anywhere,
	  cuts_what_is_too_long)
