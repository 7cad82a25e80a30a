/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU is asked and told before a lazy restore, with a QEMU that is played. */
#include "restore/incoming.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "unit.h"

static struct fault fault;

struct fake_qemu {
	struct hypervisor base;
	const char *ramblock; /* what the monitor says */
	const char *state;
	const char *refuses; /* a capability, or NULL */
	int code;	     /* of a refusal, and of what is asked where `ramblock` is NULL */
	int given;	     /* the last descriptor */
	char told[512];
};

static struct fake_qemu qemu;

/* "postcopy-ram=true", or the name of the command. */
static void describe(const char *command, struct json_object *arguments, char text[64])
{
	struct json_object *list = NULL;

	snprintf(text, 64, "%s", command);
	if (json_object_object_get_ex(arguments, "uri", &list))
		snprintf(text, 64, "%s=%s", command, json_object_get_string(list));
	if (!json_object_object_get_ex(arguments, "capabilities", &list))
		return;
	ck_assert_uint_eq(json_object_array_length(list), 1);
	struct json_object *one = json_object_array_get_idx(list, 0);
	snprintf(text, 64, "%s=%s",
		 json_object_get_string(json_object_object_get(one, "capability")),
		 json_object_get_string(json_object_object_get(one, "state")));
}

static struct json_object *answer(const struct fake_qemu *q, const char *command)
{
	if (!strcmp(command, "human-monitor-command"))
		return json_object_new_string(q->ramblock);
	struct json_object *status = json_object_new_object();
	json_object_object_add(status, "status", json_object_new_string(q->state));
	return status;
}

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	struct fake_qemu *q = (struct fake_qemu *)h;
	char text[64];

	if (pass_fd >= 0)
		q->given = dup(pass_fd);
	describe(command, arguments, text);
	json_object_put(arguments);
	size_t end = strlen(q->told);
	snprintf(q->told + end, sizeof(q->told) - end, "%s%s", end ? " " : "", text);
	if (q->refuses && !strncmp(q->refuses, text, strlen(q->refuses)))
		return fault_set(f, q->code, "Postcopy is not supported: userfaultfd");
	if (result)
		*result = answer(q, command);
	return 0;
}

static struct hypervisor *begin(struct fake_qemu q)
{
	static const struct hypervisor_ops ops = {.name = "fake", .execute = fake_execute};

	qemu = q;
	qemu.base.ops = &ops;
	strcpy(qemu.base.where, "/run/q");
	return &qemu.base;
}

/* ---- the sizes of host pages --------------------------------------------------------------- */

static const char qemu_7_2[] =
	"              Block Name    PSize              Offset               Used              "
	"Total\r\n"
	"                 ram.one    2 MiB  0x0000000000000000 0x0000000004000000 "
	"0x0000000004000000\r\n"
	"   0000:00:02.0/vga.vram    4 KiB  0x0000000004080000 0x0000000001000000 "
	"0x0000000001000000\r\n"
	"    /rom@etc/acpi/tables    4 KiB  0x00000000050c0000 0x0000000000020000 "
	"0x0000000000200000\r\n"
	"                 pc.bios    4 KiB  0x0000000004000000 0x0000000000040000 "
	"0x0000000000040000\r\n";

static const char qemu_10_0[] =
	"              Block Name    PSize              Offset               Used              "
	"Total                HVA  RO\r\n"
	"                  pc.ram   64 KiB  0x0000000000000000 0x0000000004000000 "
	"0x0000000004000000 0x00007f2affe00000  rw\r\n"
	"   0000:00:02.0/vga.vram    4 KiB  0x0000000004080000 0x0000000001000000 "
	"0x0000000001000000 0x00007f2afec00000  rw\r\n"
	"                 ram.one    2 MiB  0x0000000004080000 0x0000000001000000 "
	"0x0000000001000000 0x00007f2afec00000  rw\r\n"
	"                     ram    1 GiB  0x0000000004080000 0x0000000001000000 "
	"0x0000000001000000 0x00007f2afec00000  rw\r\n"
	"                 a b/one   16 KiB  0x0000000004080000 0x0000000001000000 "
	"0x0000000001000000 0x00007f2afec00000  rw";

static int ask_for(const char *text, const char *block, uint64_t *bytes)
{
	struct ram_layout l = {.page_bytes = 4096};
	uint64_t *all = NULL;

	ck_assert_int_eq(layout_add_block(&l, "pc.first", 4096, &fault), 0);
	ck_assert_int_eq(layout_add_block(&l, block, 4096, &fault), 0);
	int r = incoming_host_pages(begin((struct fake_qemu){.ramblock = text}), &l, &all, &fault);
	if (!r) {
		ck_assert_uint_eq(all[0], 4096);
		*bytes = all[1];
		free(all);
	}
	layout_clear(&l);
	return r;
}

static uint64_t size_of(const char *text, const char *block)
{
	uint64_t bytes = 0;

	ck_assert_msg(ask_for(text, block, &bytes) == 0, "%s", fault.text);
	return bytes;
}

START_TEST(knows_the_host_pages_of_each_block)
{
	ck_assert_uint_eq(size_of(qemu_7_2, "ram.one"), 2 << 20);
	ck_assert_uint_eq(size_of(qemu_7_2, "0000:00:02.0/vga.vram"), 4096);
	ck_assert_uint_eq(size_of(qemu_7_2, "/rom@etc/acpi/tables"), 4096);
	ck_assert_uint_eq(size_of(qemu_7_2, "pc.bios"), 4096);
	ck_assert_uint_eq(size_of(qemu_10_0, "pc.ram"), 64 << 10);
	ck_assert_uint_eq(size_of(qemu_10_0, "0000:00:02.0/vga.vram"), 4096);
	ck_assert_uint_eq(size_of(qemu_10_0, "ram.one"), 2 << 20);
}
END_TEST

START_TEST(knows_names_that_are_a_part_of_others_or_have_spaces)
{
	ck_assert_uint_eq(size_of(qemu_7_2, "ram"), 4096);
	ck_assert_uint_eq(size_of(qemu_7_2, "vga.vram"), 4096);
	ck_assert_uint_eq(size_of(qemu_10_0, "one"), 4096);
	ck_assert_uint_eq(size_of(qemu_10_0, "a b/one"), 16 << 10);
}
END_TEST

START_TEST(takes_the_targets_pages_where_qemu_names_none)
{
	ck_assert_uint_eq(size_of("", "pc.ram"), 4096);
	ck_assert_uint_eq(size_of("unknown command: 'info ramblock'\r\n", "pc.ram"), 4096);
	ck_assert_uint_eq(size_of("  pc.ram  many", "pc.ram"), 4096);
	ck_assert_uint_eq(size_of("  pc.ram  2 TiB\r\n", "pc.ram"), 4096);
}
END_TEST

/* restore_full() can. */
START_TEST(refuses_host_pages_that_are_too_large_for_a_guest_to_wait_for)
{
	uint64_t bytes;

	ck_assert_int_eq(ask_for(qemu_10_0, "ram", &bytes), -EOPNOTSUPP);
	ck_assert_msg(strstr(fault.text, "RAM block ram has host pages of 1024 MiB"), "%s",
		      fault.text);
}
END_TEST

START_TEST(hands_on_what_keeps_it_from_asking)
{
	struct ram_layout l = {.page_bytes = 4096};
	uint64_t *bytes = NULL;
	struct hypervisor *h =
		begin((struct fake_qemu){.refuses = "human-monitor-command", .code = -ECONNRESET});

	ck_assert_int_eq(incoming_host_pages(h, &l, &bytes, &fault), -ECONNRESET);
	ck_assert_ptr_null(bytes);
}
END_TEST

/* ---- capabilities -------------------------------------------------------------------------- */

static int prepare(struct fake_qemu q, const char *version, struct incoming *in)
{
	struct hypervisor *h = begin(q);

	strcpy(h->qemu_version, version);
	return incoming_prepare(h, in, &fault);
}

START_TEST(switches_postcopy_on_and_off)
{
	struct incoming in;

	ck_assert_int_eq(prepare((struct fake_qemu){0}, "10.0.2", &in), 0);
	ck_assert(in.preempt && !in.ends_preempt);
	ck_assert_int_eq(in.fd, -1);
	ck_assert_int_eq(in.preempt_fd, -1);
	ck_assert_str_eq(qemu.told, "events=true postcopy-ram=true postcopy-preempt=true");
	qemu.told[0] = '\0';
	incoming_close(&qemu.base, &in);
	ck_assert_str_eq(qemu.told, "postcopy-preempt=false postcopy-ram=false");
}
END_TEST

START_TEST(knows_who_ends_the_second_channel)
{
	static const struct {
		const char *version;
		bool ends;
	} versions[] = {{"7.2.22", true}, {"8.0.0", false}, {"8.2.1", false}, {"10.0.2", false}};
	struct incoming in;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		ck_assert_int_eq(prepare((struct fake_qemu){0}, versions[i].version, &in), 0);
		ck_assert_int_eq(in.ends_preempt, versions[i].ends);
	}
}
END_TEST

START_TEST(leaves_nothing_on_where_postcopy_is_refused)
{
	struct incoming in;
	int r = prepare((struct fake_qemu){.refuses = "postcopy-ram", .code = -EREMOTEIO}, "7.2.22",
			&in);

	ck_assert_int_eq(r, -EOPNOTSUPP);
	ck_assert_int_eq(fault.code, -EOPNOTSUPP);
	ck_assert_msg(strstr(fault.text, "Postcopy is not supported: userfaultfd"), "%s",
		      fault.text);
	ck_assert_str_eq(qemu.told, "events=true postcopy-ram=true");
}
END_TEST

/* It may be on although nobody said so, and would forbid the next snapshot. */
START_TEST(leaves_nothing_on_where_postcopy_is_not_answered)
{
	struct incoming in;
	int r = prepare((struct fake_qemu){.refuses = "postcopy-ram=true", .code = -ETIMEDOUT},
			"7.2.22", &in);

	ck_assert_int_eq(r, -ETIMEDOUT);
	ck_assert_str_eq(qemu.told, "events=true postcopy-ram=true postcopy-ram=false");
}
END_TEST

START_TEST(goes_on_without_a_second_channel)
{
	struct incoming in;
	int r = prepare((struct fake_qemu){.refuses = "postcopy-preempt", .code = -EREMOTEIO},
			"7.1.0", &in);

	ck_assert_msg(r == 0, "%s", fault.text);
	ck_assert(!in.preempt);
}
END_TEST

/* ---- a QEMU with other rights --------------------------------------------------------------- */

static int prepare_other(const char *version, struct incoming *in)
{
	return prepare((struct fake_qemu){.base = {.by_descriptor = true}}, version, in);
}

/* Each channel at both ends. */
static void accepts(int listening)
{
	auto_fd int fd = accept(listening, NULL, NULL);

	ck_assert_int_ge(fd, 0);
}

START_TEST(gives_a_socket_to_listen_on_to_a_qemu_with_other_rights)
{
	char folder[] = "/tmp/incoming.XXXXXX";
	struct incoming in;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("VMGUARD_RUN_DIR", folder, 1);
	ck_assert_int_eq(prepare_other("7.2.22", &in), 0);
	ck_assert(in.preempt);
	qemu.told[0] = '\0';
	ck_assert_int_eq(incoming_connect(&qemu.base, &in, false, &fault), 0);
	ck_assert_str_eq(qemu.told, "getfd migrate-incoming=tcp:fd:vmguard-incoming");
	accepts(qemu.given);
	accepts(qemu.given);
	close(qemu.given);
	incoming_close(&qemu.base, &in);
	ck_assert_int_eq(rmdir(folder), 0); /* the socket is gone */
}
END_TEST

START_TEST(gives_the_only_channel_to_a_later_one)
{
	struct incoming in;
	char byte = 0;

	ck_assert_int_eq(prepare_other("8.2.0", &in), 0);
	ck_assert(!in.preempt);
	ck_assert_str_eq(qemu.told, "events=true postcopy-ram=true");
	qemu.told[0] = '\0';
	ck_assert_int_eq(incoming_connect(&qemu.base, &in, false, &fault), 0);
	ck_assert_str_eq(qemu.told, "getfd migrate-incoming=fd:vmguard-incoming");
	ck_assert_int_eq(write(in.fd, "x", 1), 1);
	ck_assert_int_eq(read(qemu.given, &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq(in.preempt_fd, -1);
	close(qemu.given);
	incoming_close(&qemu.base, &in);
}
END_TEST

START_TEST(takes_only_a_qemu_that_waits)
{
	ck_assert_int_eq(incoming_check(begin((struct fake_qemu){.state = "inmigrate"}), &fault),
			 0);
	ck_assert_int_eq(incoming_check(begin((struct fake_qemu){.state = "running"}), &fault),
			 -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "/run/q is \"running\""));
	ck_assert_ptr_nonnull(strstr(fault.text, "-incoming defer"));
}
END_TEST

UNIT_MAIN("incoming", knows_the_host_pages_of_each_block,
	  knows_names_that_are_a_part_of_others_or_have_spaces,
	  takes_the_targets_pages_where_qemu_names_none,
	  refuses_host_pages_that_are_too_large_for_a_guest_to_wait_for,
	  hands_on_what_keeps_it_from_asking, switches_postcopy_on_and_off,
	  knows_who_ends_the_second_channel, leaves_nothing_on_where_postcopy_is_refused,
	  leaves_nothing_on_where_postcopy_is_not_answered, goes_on_without_a_second_channel,
	  gives_a_socket_to_listen_on_to_a_qemu_with_other_rights,
	  gives_the_only_channel_to_a_later_one, takes_only_a_qemu_that_waits)
