/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/xml.h"

#include "unit.h"

static const char domain[] =
	"<domain type='kvm'><name>web</name><devices>"
	"<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/>"
	"<alias name='virtio-disk0'/></disk><emulator>/q</emulator>"
	"<disk type='network' device='disk'><target dev='sdb'/><alias name='scsi0-0-0-1'/></disk>"
	"<disk type='file'><alias name='ua-data'/></disk>"
	"<controller type='usb'><alias name='usb'/><target dev='no'/></controller>"
	"</devices></domain>";

START_TEST(finds_the_target_of_a_device)
{
	char target[MONITOR_NAME_BYTES];

	ck_assert(xml_disk_target(domain, "virtio-disk0", target));
	ck_assert_str_eq(target, "vda");
	ck_assert(xml_disk_target(domain, "scsi0-0-0-1", target));
	ck_assert_str_eq(target, "sdb");
}
END_TEST

START_TEST(finds_nothing_else)
{
	static const char *const broken[] = {"", "<", "<domain/>", "<domain><devices/></domain>",
					     "<domain><devices><disk/></devices></domain>"};
	char target[MONITOR_NAME_BYTES];

	ck_assert(!xml_disk_target(domain, "virtio-disk1", target));
	ck_assert(!xml_disk_target(domain, "usb", target));
	ck_assert(!xml_disk_target(domain, "ua-data", target));
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		ck_assert(!xml_disk_target(broken[i], "virtio-disk0", target));
}
END_TEST

UNIT_MAIN("xml", finds_the_target_of_a_device, finds_nothing_else)
