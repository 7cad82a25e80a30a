/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU 7.2 and 10.0 say of all kinds of disks, and libvirt's QEMU; the files are the corpus.
 */
#include "disks/block.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct fault fault;

static struct json_object *blocks_of(const char *file)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/src/disks/corpus/block/%s", getenv("SOURCE_ROOT"), file);
	struct json_object *blocks = json_object_from_file(path);
	ck_assert_msg(json_object_is_type(blocks, json_type_array), "%s", path);
	return blocks;
}

static const char *describe(const struct disk *d)
{
	static char text[3 * DISK_SOURCE_BYTES];

	snprintf(text, sizeof(text), "%s [%s] %s %s %s %s conf=%s user=%s", d->target, d->node,
		 d->storage == DISK_RBD ? "rbd" : "file", d->format == DISK_QCOW2 ? "qcow2" : "raw",
		 d->way == DISK_REFLINK ? "reflink" : "internal", d->source, d->conf, d->user);
	return text;
}

/* In the order of the file; a refusal by the words in it. */
static void must_read(const char *file, const char *const expected[])
{
	struct json_object *blocks = blocks_of(file);

	for (size_t i = 0; i < json_object_array_length(blocks); i++) {
		struct disk d;
		int r = block_read_disk(json_object_array_get_idx(blocks, i), &d, &fault);

		if (!r)
			continue;
		ck_assert_msg(*expected, "%s: %s", file, describe(&d));
		if (r == 1)
			ck_assert_str_eq(describe(&d), *expected);
		else
			ck_assert_msg(r == -EPERM && strstr(fault.text, *expected), "%s: %s",
				      *expected, fault.text);
		expected++;
	}
	ck_assert_ptr_null(*expected);
	json_object_put(blocks);
}

START_TEST(reads_the_disks_of_qemu_7_2)
{
	must_read("qemu-7.2",
		  (const char *const[]){
			  "virtio0 [virtio0] file qcow2 internal /srv/files.qcow2 conf= user=",
			  "disk1 [d1] file raw reflink /srv/files.raw conf= user=",
			  "virtio1 [virtio1] file qcow2 internal /srv/vl.0P5KZ3 conf= user=",
			  "storage \"vvfat\"",
			  "virtio-disk0 [libvirt-4-format] file qcow2 internal /srv/ov.qcow2 conf= "
			  "user=",
			  "virtio-disk2 [libvirt-2-format] rbd raw internal rbd/pool "
			  "conf=/srv/ceph/ceph.conf user=admin",
			  "ide0-0-0 [raw0] file raw reflink /srv/data conf= user=",
			  "data lies in a file of its own",
			  NULL,
		  });
}
END_TEST

START_TEST(reads_the_disks_of_qemu_10_0)
{
	must_read("qemu-10.0",
		  (const char *const[]){
			  "virtio0 [virtio0] file qcow2 internal /srv/files.qcow2 conf= user=",
			  "disk1 [d1] file raw reflink /srv/files.raw conf= user=",
			  "virtio1 [virtio1] file qcow2 internal /srv/vl.AGVGZ3 conf= user=",
			  "storage \"vvfat\"",
			  "virtio-disk0 [libvirt-4-format] file qcow2 internal /srv/ov.qcow2 conf= "
			  "user=",
			  "virtio-disk2 [libvirt-2-format] rbd raw internal rbd/pool "
			  "conf=/srv/ceph/ceph.conf user=admin",
			  "ide0-0-0 [raw0] file raw reflink /srv/data conf= user=",
			  "data lies in a file of its own",
			  NULL,
		  });
}
END_TEST

START_TEST(reads_the_disks_of_libvirt)
{
	must_read("libvirt-9.0",
		  (const char *const[]){
			  "virtio-disk0 [libvirt-4-format] file qcow2 internal /srv/ov.qcow2 conf= "
			  "user=",
			  "virtio-disk1 [libvirt-3-format] file raw reflink /srv/files.raw conf= "
			  "user=",
			  "virtio-disk2 [libvirt-2-format] rbd raw internal rbd/pool "
			  "conf=/srv/ceph/ceph.conf user=",
			  NULL,
		  });
}
END_TEST

static int read_one(const char *driver, const char *filename, struct disk *d)
{
	struct json_object *block = json_object_new_object();
	struct json_object *inserted = json_object_new_object();
	struct json_object *image = json_object_new_object();

	json_object_object_add(block, "device", json_object_new_string("d0"));
	json_object_object_add(block, "inserted", inserted);
	json_object_object_add(inserted, "drv", json_object_new_string(driver));
	json_object_object_add(inserted, "ro", json_object_new_boolean(0));
	json_object_object_add(inserted, "image", image);
	json_object_object_add(image, "filename", json_object_new_string(filename));
	json_object_object_add(image, "virtual-size", json_object_new_int64(4096));
	int r = block_read_disk(block, d, &fault);
	json_object_put(block);
	return r;
}

START_TEST(refuses_what_has_no_snapshots)
{
	static const char *const refused[][3] = {
		{"raw", "nvme://0000:01:00.0/1", "storage \"nvme\""},
		{"raw", "iscsi://host/target/0", "storage \"iscsi\""},
		{"raw", "nbd://host:10809", "storage \"nbd\""},
		{"raw",
		 "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"host_device\","
		 "\"filename\":\"/dev/sdb\"}}",
		 "storage \"host_device\""},
		{"raw", "json:{\"driver\":\"raw\",\"file\":\"node\"}", "storage \"raw\""},
		{"raw", "json:[]", "storage \"unknown\""},
		{"raw", "json:{", "storage \"unknown\""},
		{"qcow2",
		 "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"rbd\",\"pool\":\"p\","
		 "\"image\":\"i\"}}",
		 "qcow2 on RBD"},
		{"vmdk", "/srv/a.vmdk", "format \"vmdk\""},
		{"throttle", "/srv/a.qcow2", "format \"throttle\""},
		{"raw", "json:{\"driver\":\"rbd\",\"pool\":\"p\"}", "names of its RBD image"},
		{"raw", "", "path is empty"},
	};
	struct disk d;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		ck_assert_int_eq(read_one(refused[i][0], refused[i][1], &d), -EPERM);
		ck_assert_msg(strstr(fault.text, refused[i][2]), "%s: %s", refused[i][1],
			      fault.text);
	}
}
END_TEST

START_TEST(reads_an_rbd_image_with_all_its_names)
{
	struct disk d;

	ck_assert_int_eq(
		read_one("rbd",
			 "json:{\"driver\":\"rbd\",\"pool\":\"vms\",\"namespace\":\"blue\","
			 "\"image\":\"web\",\"user\":\"libvirt\",\"conf\":\"/etc/ceph/b.conf\"}",
			 &d),
		1);
	ck_assert_str_eq(describe(&d), "d0 [d0] rbd raw internal vms/blue/web "
				       "conf=/etc/ceph/b.conf user=libvirt");
}
END_TEST

START_TEST(takes_a_path_with_a_colon_for_a_path)
{
	struct disk d;

	ck_assert_int_eq(read_one("qcow2", "/srv/a:b.qcow2", &d), 1);
	ck_assert_str_eq(d.source, "/srv/a:b.qcow2");
	ck_assert_int_eq(read_one("qcow2", "./a:b.qcow2", &d), 1);
}
END_TEST

static int join(void *text, const char *name)
{
	strcat(strcat(text, name), ";");
	return 0;
}

START_TEST(lists_the_snapshots_inside)
{
	static const char *const files[] = {"qemu-7.2", "qemu-10.0"};

	for (size_t i = 0; i < 2; i++) {
		struct json_object *blocks = blocks_of(files[i]);
		char text[256] = "";

		for (size_t k = 0; k < json_object_array_length(blocks); k++)
			block_each_snapshot(json_object_array_get_idx(blocks, k), join, text);
		ck_assert_str_eq(text, "vmguard-1-1-0123abcd;vmguard-1-2-0123abcd;");
		json_object_put(blocks);
	}
}
END_TEST

UNIT_MAIN("block", reads_the_disks_of_qemu_7_2, reads_the_disks_of_qemu_10_0,
	  reads_the_disks_of_libvirt, refuses_what_has_no_snapshots,
	  reads_an_rbd_image_with_all_its_names, takes_a_path_with_a_colon_for_a_path,
	  lists_the_snapshots_inside)
