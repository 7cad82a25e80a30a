/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a run directory of our own; this test plays the QEMU that is restored, and its feeder. */
#include "vmguard/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#define UUID "6c0ed4e5-0c0a-4f0e-9d1a-2f9f0c1b7a11"

static struct fault fault;
static char folder[64];
static struct holder us;

static void begin(void)
{
	strcpy(folder, "/tmp/vg-record-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("VMGUARD_RUN_DIR", folder, 1);
	ck_assert_int_eq(holder_of(getpid(), &us, &fault), 0);
}

static void end(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
}

static struct record written(const char *socket, const char *uuid)
{
	struct record r = {.store = "rbd:vms?conf=/etc/a b.conf",
			   .guest = "web",
			   .number = 3,
			   .percent = 37,
			   .feeder = us,
			   .qemu_version = "7.2.22",
			   .preempt = true,
			   .host_page_bytes = {4096, 2097152},
			   .block_count = 2};

	strcpy(r.socket, socket);
	strcpy(r.uuid, uuid);
	ck_assert_int_eq(record_write(&us, &r, &fault), 0);
	return r;
}

START_TEST(what_is_written_is_read)
{
	static const char *const uuids[] = {UUID, ""};

	begin();
	for (int i = 0; i < 4; i++) {
		struct record read, wrote = written("domain web", uuids[i % 2]);

		if (i >= 2) {
			wrote.feeder = (struct holder){0};
			ck_assert_int_eq(record_write(&us, &wrote, &fault), 0);
		}
		ck_assert_int_eq(record_read(&us, &read, &fault), 0);
		ck_assert_str_eq(read.store, wrote.store);
		ck_assert_str_eq(read.guest, "web");
		ck_assert_uint_eq(read.number, 3);
		ck_assert_uint_eq(read.percent, 37);
		ck_assert_str_eq(read.uuid, uuids[i % 2]);
		ck_assert(read.preempt && read.block_count == 2);
		ck_assert_uint_eq(read.host_page_bytes[1], 2097152);
		if (i < 2)
			ck_assert(holder_is_same(&read.feeder, &us));
		else
			ck_assert_int_eq(read.feeder.pid, 0);
	}
	record_remove(&us);
	end();
}
END_TEST

START_TEST(a_domain_is_known_by_name_or_uuid_a_socket_by_its_file)
{
	char socket[128], other[128];

	begin();
	snprintf(socket, sizeof(socket), "%s/web.qmp", folder);
	snprintf(other, sizeof(other), "%s/link", folder);
	struct record r = written("domain web", UUID);
	ck_assert(record_is_of(&r, NULL, "web"));
	ck_assert(record_is_of(&r, NULL, UUID));
	ck_assert(!record_is_of(&r, NULL, "web2"));
	ck_assert(!record_is_of(&r, NULL, ""));
	ck_assert(!record_is_of(&r, socket, NULL));
	r = written(socket, "");
	fclose(fopen(socket, "we"));
	ck_assert_int_eq(symlink(socket, other), 0);
	ck_assert(record_is_of(&r, other, NULL));
	ck_assert(!record_is_of(&r, NULL, "web"));
	unlink(socket);
	unlink(other);
	record_remove(&us);
	end();
}
END_TEST

UNIT_MAIN("record", what_is_written_is_read, a_domain_is_known_by_name_or_uuid_a_socket_by_its_file)
