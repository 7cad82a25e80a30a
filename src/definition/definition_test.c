/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "definition/samples.h"

#define UUID "0e6c8a4d-3f3a-4a0c-8b62-7d8a4c1c9a10"
#define DEVICES "/domain/devices/"

static struct fault fault;
static const struct definition_identity copy = {.name = "copy", .uuid = UUID};

static struct disk web_disks[] = {
	{.target = "vda", .format = DISK_QCOW2, .source = "/srv/guests/top-copy.qcow2"},
	{.target = "vdb", .format = DISK_RAW, .source = "/srv/guests/root-copy.raw"},
};
static struct disk rbd_disks[] = {
	{.target = "vda", .storage = DISK_RBD, .source = "vms/db-root-copy"},
	{.target = "vdb", .format = DISK_QCOW2, .source = "/srv/pool/db-log-copy"},
};
static const struct disk_list web = {web_disks, 2}, db = {rbd_disks, 2};

static int change(const char *xml, const struct disk_list *disks,
		  const struct definition_identity *identity, char **text)
{
	*text = NULL;
	return definition_change(xml, disks, identity, text, &fault);
}

static char *changed(const char *name, const struct disk_list *disks,
		     const struct definition_identity *identity)
{
	char *text;

	ck_assert_msg(change(sample(name), disks, identity, &text) == 0, "%s", fault.text);
	return text;
}

static void is_refused(const char *xml, const struct disk_list *disks,
		       const struct definition_identity *identity, int code, const char *words)
{
	char *text;

	ck_assert_int_eq(change(xml, disks, identity, &text), code);
	ck_assert_ptr_null(text);
	ck_assert_msg(strstr(fault.text, words) != NULL, "%s", fault.text);
}

START_TEST(changes_nothing_where_nothing_is_asked)
{
	auto_free char *text = changed("web", NULL, NULL);
	auto_free char *again = NULL;

	HAS(text, "/domain[name='web' and uuid='df6fd433-e787-4883-8b97-eae830e7117e']");
	HAS(text, DEVICES "disk/source[@file='/srv/guests/top.qcow2']");
	HAS(text, DEVICES "disk/backingStore");
	HAS(text, DEVICES "interface[@type='bridge']");
	HAS(text, DEVICES "serial[@type='tcp']");
	ck_assert_int_eq(change(text, NULL, NULL, &again), 0);
	ck_assert_str_eq(text, again);
}
END_TEST

START_TEST(the_same_domain_gets_other_disks)
{
	auto_free char *text = changed("web", &web, NULL);

	HAS(text, "/domain[name='web' and uuid='df6fd433-e787-4883-8b97-eae830e7117e']");
	HAS(text, DEVICES "disk[target/@dev='vda' and source/@file='/srv/guests/top-copy.qcow2' "
			  "and driver[@type='qcow2' and @cache='none'] and serial='S1']");
	HAS(text, DEVICES "disk[target/@dev='vdb' and source/@file='/srv/guests/root-copy.raw' "
			  "and not(backingStore)]");
	HAS(text, DEVICES "disk[@device='cdrom']/source[@file='/srv/guests/cd.iso']");
	HAS(text, DEVICES "serial[@type='tcp']");
}
END_TEST

START_TEST(an_rbd_image_is_reached_as_before)
{
	auto_free char *text = changed("rbd", &db, NULL);

	HAS(text, DEVICES "disk[@type='network' and auth/secret and not(mirror)]"
			  "/source[@protocol='rbd' and @name='vms/db-root-copy' and not(@index) "
			  "and host[@name='10.0.0.2'] and config]");
	HAS(text, DEVICES "disk[@type='file' and driver[@name='qemu' and @type='qcow2']]"
			  "/source[@file='/srv/pool/db-log-copy' and not(@pool or @volume)]");
	HAS(text, DEVICES "disk[@device='cdrom']/source/snapshot");
}
END_TEST

START_TEST(another_domain_has_another_identity)
{
	auto_free char *text = changed("web", &web, &copy);
	auto_free char *other = changed("rbd", &db, &copy);
	char name[32];

	HAS(text, "/domain[name='copy' and uuid='" UUID "' and genid='" UUID "']");
	HAS(text, "/domain/metadata/*[@owner='ops']");
	HAS(text, "/domain[title='a & b']");
	HAS(other, "/domain/sysinfo/system[entry[@name='uuid']='" UUID "' and entry='7']");
	ck_assert(definition_value(text, "name", name, sizeof(name)));
	ck_assert_str_eq(name, "copy");
}
END_TEST

START_TEST(nothing_that_it_has_on_the_host_is_the_others)
{
	auto_free char *text = changed("web", &web, &copy);
	auto_free char *other = changed("rbd", &db, &copy);

	HAS_NO(text, "//@*[starts-with(.,'/srv/guests/') and not(contains(.,'-copy')) and "
		     "not(contains(.,'cd.iso') or contains(.,'_template.fd'))]");
	HAS_NO(text, "//@*[.='2445' or .='5911' or .='5711' or .='br9' or .='web-tap']");
	HAS_NO(other, "//@*[.='77' or .='5901' or .='5902' or .='7' or .='1234' or .='4000']");
	HAS_NO(other, "//@*[starts-with(.,'/srv/') and not(contains(.,'-copy'))]");
}
END_TEST

START_TEST(ports_are_ptys)
{
	auto_free char *text = changed("web", &web, &copy);

	HAS(text, "self::*[count(" DEVICES "serial[@type='pty' and not(source)])=3]");
	HAS(text, "self::*[count(" DEVICES "console[@type='pty' and not(source)])=2]");
	HAS(text, DEVICES "parallel[@type='pty' and not(source)]");
	HAS(text, DEVICES "serial[@type='pty']/target[@port='1' and model]");
	HAS_NO(text, DEVICES "serial[protocol or log]");
}
END_TEST

START_TEST(channels_are_sockets_that_libvirt_names)
{
	auto_free char *text = changed("web", &web, &copy);
	auto_free char *other = changed("rbd", &db, &copy);

	HAS(text, DEVICES "channel[@type='unix' and not(source)]/target[@name='own.0']");
	HAS(text,
	    DEVICES "channel[@type='unix' and not(source)]/target[@name='org.qemu.guest_agent.0']");
	HAS(other, DEVICES "channel[@type='pty' and not(source)]/target[@name='a']");
	HAS(other, DEVICES "channel[@type='unix' and not(protocol)]/target[@name='b']");
	HAS(other, DEVICES "channel[@type='spicevmc']");
	HAS(other, DEVICES "channel[@type='null' and not(source)]/target[@type='guestfwd']");
	HAS(other, DEVICES "redirdev[@type='null' and not(source)]");
}
END_TEST

START_TEST(ports_and_numbers_are_libvirts_choice)
{
	auto_free char *text = changed("web", &web, &copy);
	auto_free char *other = changed("rbd", &db, &copy);

	HAS(text, DEVICES "graphics[@autoport='yes' and @websocket='-1' and not(@port) and "
			  "@passwd='secret']/listen[@address='127.0.0.1']");
	HAS(other, DEVICES "graphics[@autoport='yes' and not(@tlsPort)]/"
			   "listen[@type='socket' and not(@socket)]");
	HAS(other, DEVICES "vsock/cid[@auto='yes' and not(@address)]");
	HAS(other, DEVICES "audio[@type='none' and not(@path)]");
	HAS(other, DEVICES "rng/backend[@model='random' and not(@type) and not(source)]");
	HAS(other, DEVICES "tpm/backend[@version='2.0' and not(source)]");
	HAS(other, "/domain/seclabel[@type='dynamic' and not(label) and not(imagelabel)]");
}
END_TEST

START_TEST(nvram_is_a_file_beside_the_others)
{
	char path[DISK_SOURCE_BYTES];
	auto_free char *text = changed("web", &web, &copy);
	auto_free char *other = changed("rbd", &db, &copy);

	HAS(text, "/domain/os/nvram[@template='/srv/guests/vars_template.fd' and "
		  ".='/srv/guests/copy_VARS.fd']");
	HAS(other, "/domain/os/nvram[@template]/"
		   "source[@file='/var/lib/libvirt/qemu/nvram/copy-vars.fd']");
	ck_assert_int_eq(definition_nvram(text, path, &fault), 0);
	ck_assert_str_eq(path, "/srv/guests/copy_VARS.fd");
	ck_assert_int_eq(definition_nvram(other, path, &fault), 0);
	ck_assert_str_eq(path, "/var/lib/libvirt/qemu/nvram/copy-vars.fd");
	ck_assert_int_eq(definition_nvram(sample("plain"), path, &fault), 0);
	ck_assert_str_eq(path, "");
}
END_TEST

START_TEST(interfaces_lead_nowhere_and_look_the_same)
{
	auto_free char *text = changed("web", &web, &copy);
	auto_free char *other = changed("rbd", &db, &copy);

	HAS(text, "self::*[count(" DEVICES "interface)=4 and "
		  "count(" DEVICES "interface[@type='ethernet'])=4]");
	HAS_NO(text, DEVICES "interface[source or target]");
	HAS(text, DEVICES "interface[mac/@address='52:54:00:12:34:56' and driver/@queues='2' and "
			  "mtu/@size='1400' and model/@type='virtio' and address/@bus='0x02']");
	HAS(text, DEVICES "interface[mac/@address='52:54:00:12:34:57']/link[@state='down']");
	HAS(other, DEVICES "interface[alias/@name='ua-net' and address]");
	HAS_NO(other, DEVICES "interface[@trustGuestRxFilters]");
	HAS_NO(other, DEVICES "interface/*[self::vlan or self::bandwidth or self::virtualport or "
			      "self::filterref]");
}
END_TEST

START_TEST(arguments_of_a_restore_are_left_out)
{
	auto_free char *text = changed("rbd", &db, &copy);
	auto_free char *waits = definition_that_waits(text);

	ck_assert_ptr_null(strstr(text, "-incoming"));
	HAS(waits, "/domain/*[local-name()='commandline']/*[@value='-incoming']");
}
END_TEST

START_TEST(refuses_what_two_cannot_have)
{
	static const char *const lines[][2] = {
		{"<hostdev type='usb'/>", "host device of type usb"},
		{"<interface type='vdpa'><mac address='a'/></interface>", "interface a (vdpa)"},
		{"<filesystem><target dir='home'/></filesystem>", "shared folder home"},
		{"<shmem name='board'/>", "shared memory board"},
		{"<memory><source><path>/n</path></source><target/></memory>", "memory in /n"},
		{"<lease><key>k</key></lease>", "lease k"},
		{"<tpm><backend type='passthrough'/></tpm>", "TPM (passthrough)"},
		{"<input type='evdev'/>", "input device"},
		{"<smartcard mode='host'/>", "smartcard"},
		{"</devices><commandline xmlns='q'><arg value='-s'/></commandline><devices>",
		 "given by hand (-s)"},
		{"</devices><os><nvram type='network'/></os><devices>", "NVRAM"},
	};
	char xml[512];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(xml, sizeof(xml), "<domain><name>a</name><devices>%s</devices></domain>",
			 lines[i][0]);
		is_refused(xml, NULL, &copy, -EOPNOTSUPP, lines[i][1]);
		auto_free char *text = NULL;
		ck_assert_int_eq(change(xml, NULL, NULL, &text), 0);
	}
}
END_TEST

START_TEST(refuses_a_disk_that_two_would_write_to)
{
	const struct disk_list first = {web_disks, 1};
	auto_free char *text = NULL;

	is_refused(sample("web"), &first, &copy, -EOPNOTSUPP, "disk vdb");
	is_refused(sample("web"), NULL, &copy, -EOPNOTSUPP, "disk vda");
	ck_assert_int_eq(change(sample("web"), &first, NULL, &text), 0);
	is_refused("<domain><name>a</name><devices><disk type='file'><source file='/a'/>"
		   "<target dev='vdc'/><shareable/></disk></devices></domain>",
		   NULL, &copy, -EOPNOTSUPP, "disk vdc");
}
END_TEST

START_TEST(refuses_a_disk_that_is_another_one)
{
	struct disk other = {.target = "vda", .storage = DISK_RBD, .source = "vms/a"};
	const struct disk_list list = {&other, 1};

	is_refused(sample("web"), &list, NULL, -EOPNOTSUPP, "disk vda is no RBD image");
	other.storage = DISK_FILE;
	is_refused(sample("rbd"), &list, NULL, -EOPNOTSUPP, "disk vda is no file");
	snprintf(other.target, sizeof(other.target), "vdz");
	is_refused(sample("rbd"), &list, NULL, -ENOENT, "vdz");
}
END_TEST

START_TEST(finds_the_agent)
{
	ck_assert(definition_has_agent(sample("web")));
	ck_assert(!definition_has_agent(sample("rbd")));
	ck_assert(!definition_has_agent(sample("entities")));
}
END_TEST

START_TEST(refuses_what_is_no_definition)
{
	is_refused("", NULL, NULL, -EBADMSG, "XML");
	is_refused(sample("network"), NULL, &copy, -EBADMSG, "definition");
	is_refused(sample("no-name"), NULL, &copy, -EBADMSG, "definition");
	is_refused(sample("entities"), NULL, &copy, -EBADMSG, "document type");
}
END_TEST

UNIT_MAIN("definition", changes_nothing_where_nothing_is_asked, the_same_domain_gets_other_disks,
	  an_rbd_image_is_reached_as_before, another_domain_has_another_identity,
	  nothing_that_it_has_on_the_host_is_the_others, ports_are_ptys,
	  channels_are_sockets_that_libvirt_names, ports_and_numbers_are_libvirts_choice,
	  nvram_is_a_file_beside_the_others, interfaces_lead_nowhere_and_look_the_same,
	  arguments_of_a_restore_are_left_out, refuses_what_two_cannot_have,
	  refuses_a_disk_that_two_would_write_to, refuses_a_disk_that_is_another_one,
	  finds_the_agent, refuses_what_is_no_definition)
