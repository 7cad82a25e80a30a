/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before a QEMU that answers from a script, in the words of 7.2. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "preflight/probe.h"
#include "unit.h"
#include "vmguard/hypervisor.h"

static struct fault fault;
static struct preflight_facts facts;

/* What differs from case to case. */
struct fake_qemu {
	struct hypervisor base;
	const char *refusal;   /* of the capabilities; NULL: it takes them */
	const char *migration; /* the answer to query-migrate */
	const char *blocks;    /* the answer to query-block */
	const char *job;       /* NULL: libvirt leaves the guest alone */
	bool is_old;	       /* it knows none of the newer questions */
	int gone;	       /* it ends at that question */
	int asked;
	int switched_off;
};

static struct json_object *answer(struct fake_qemu *q, const char *command)
{
	if (!strcmp(command, "query-status"))
		return json_tokener_parse("{\"status\": \"running\"}");
	if (!strcmp(command, "query-migrate"))
		return json_tokener_parse(q->migration);
	if (q->is_old)
		return NULL;
	if (!strcmp(command, "query-cpus-fast"))
		return json_tokener_parse("[{\"qom-path\": \"/machine/unattached/device[0]\"}]");
	if (!strcmp(command, "qom-get"))
		return json_object_new_string("qemu64-x86_64-cpu");
	if (!strcmp(command, "query-block"))
		return json_tokener_parse(q->blocks);
	ck_assert_str_eq(command, "query-memory-size-summary");
	return json_tokener_parse("{\"base-memory\": 1073741824, \"plugged-memory\": 1024}");
}

/* Every set of both at once is a probe; one alone takes it back. */
static int set_capabilities(struct fake_qemu *q, struct json_object *arguments, struct fault *f)
{
	struct json_object *list = json_object_object_get(arguments, "capabilities");
	bool is_probe = json_object_array_length(list) == 2;

	q->switched_off += !is_probe;
	json_object_put(arguments);
	if (!is_probe || !q->refusal)
		return 0;
	return fault_set(f, -EREMOTEIO,
			 "QEMU at /x: QEMU refused migrate-set-capabilities: %s (GenericError)",
			 q->refusal);
}

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	struct fake_qemu *q = (struct fake_qemu *)h;

	ck_assert_int_eq(pass_fd, -1);
	if (++q->asked == q->gone) {
		json_object_put(arguments);
		return fault_set(f, -ECONNRESET, "QEMU is gone");
	}
	if (!strcmp(command, "migrate-set-capabilities"))
		return set_capabilities(q, arguments, f);
	*result = answer(q, command);
	json_object_put(arguments);
	return *result ? 0 : fault_set(f, -EREMOTEIO, "QEMU refused %s", command);
}

static pid_t fake_pid(const struct hypervisor *h)
{
	(void)h;
	return 4711;
}

static int fake_check(struct hypervisor *h, struct fault *f)
{
	const struct fake_qemu *q = (const struct fake_qemu *)h;

	return q->job ? fault_set(f, -EPERM, "%s", q->job) : 0;
}

static struct fake_qemu usual(void)
{
	static const struct hypervisor_ops ops = {
		.name = "fake", .execute = fake_execute, .pid = fake_pid, .check = fake_check};

	return (struct fake_qemu){
		.base = {.ops = &ops, .qemu_version = "7.2.22"},
		.refusal = "Background-snapshot is not compatible with validate-uuid",
		.migration = "{}",
		.blocks = "[]",
	};
}

static int ask(struct fake_qemu *q)
{
	preflight_facts_clear(&facts);
	facts = (struct preflight_facts){0};
	return preflight_ask_qemu(&q->base, &facts, &fault);
}

START_TEST(learns_all_of_a_healthy_qemu)
{
	struct fake_qemu q = usual();

	ck_assert_int_eq(ask(&q), 0);
	ck_assert_str_eq(facts.qemu_version, "7.2.22");
	ck_assert_str_eq(facts.run_state, "running");
	ck_assert_str_eq(facts.migration, "none");
	ck_assert_str_eq(facts.cpu_type, "qemu64-x86_64-cpu");
	ck_assert_uint_eq(facts.ram_bytes, (1 << 30) + 1024);
	ck_assert_int_eq(facts.qemu, 4711);
	ck_assert_int_eq(facts.probe, PROBE_CAN);
	ck_assert_uint_eq(facts.blocked.count, 0);
	ck_assert_str_eq(facts.job, "");
	ck_assert_int_eq(q.switched_off, 0);
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(reads_a_refusal_in_qemus_words)
{
	ck_assert_int_eq(probe_read("Background-snapshot is not compatible with validate-uuid"),
			 PROBE_CAN);
	ck_assert_int_eq(probe_read("There's a migration process in progress"), PROBE_UNKNOWN);
	ck_assert_int_eq(probe_read("Background-snapshot is not supported by host kernel"),
			 PROBE_CANNOT);
	ck_assert_int_eq(probe_read("Background-snapshot is not compatible with guest memory "
				    "configuration"),
			 PROBE_CANNOT);
	ck_assert_int_eq(probe_read("Background-snapshot is not compatible with xbzrle"),
			 PROBE_CANNOT);
	ck_assert_int_eq(probe_read(""), PROBE_CANNOT);
}
END_TEST

START_TEST(keeps_the_words_without_what_is_before_them)
{
	struct fake_qemu q = usual();

	q.refusal = "Background-snapshot is not supported by host kernel";
	ck_assert_int_eq(ask(&q), 0);
	ck_assert_int_eq(facts.probe, PROBE_CANNOT);
	ck_assert_str_eq(facts.probe_words, "Background-snapshot is not supported by host kernel");
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(takes_back_what_a_strange_qemu_accepts)
{
	struct fake_qemu q = usual();

	q.refusal = NULL;
	ck_assert_int_eq(ask(&q), 0);
	ck_assert_int_eq(facts.probe, PROBE_CAN);
	ck_assert_int_eq(q.switched_off, 2);
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(keeps_every_reason_against_a_migration)
{
	struct fake_qemu q = usual();

	q.migration = "{\"status\": \"active\", \"blocked-reasons\": [\"one\", 2, \"three\"]}";
	ck_assert_int_eq(ask(&q), 0);
	ck_assert_str_eq(facts.migration, "active");
	ck_assert_uint_eq(facts.blocked.count, 3);
	ck_assert_str_eq(facts.blocked.list[0].text, "one");
	ck_assert_str_eq(facts.blocked.list[1].text, "");
	ck_assert_str_eq(facts.blocked.list[2].text, "three");
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(keeps_every_disk_without_snapshots)
{
	struct fake_qemu q = usual();

	q.blocks = "[{\"device\": \"a\", \"inserted\": {\"ro\": false, \"drv\": \"vmdk\", "
		   "\"image\": {\"filename\": \"/a\", \"format\": \"vmdk\"}}},"
		   "{\"device\": \"b\", \"inserted\": {\"ro\": true, \"drv\": \"vmdk\"}},"
		   "{\"device\": \"c\", \"inserted\": {\"ro\": false, \"drv\": \"vmdk\", "
		   "\"image\": {\"filename\": \"/c\", \"format\": \"vmdk\"}}}]";
	ck_assert_int_eq(ask(&q), 0);
	ck_assert_uint_eq(facts.disks.count, 2);
	ck_assert_str_eq(facts.disks.list[0].what, "a");
	ck_assert_ptr_nonnull(strstr(facts.disks.list[0].text, "vmdk"));
	ck_assert_str_eq(facts.disks.list[1].what, "c");
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(leaves_open_what_an_old_qemu_does_not_know)
{
	struct fake_qemu q = usual();

	q.is_old = true;
	ck_assert_int_eq(ask(&q), 0);
	ck_assert_str_eq(facts.cpu_type, "");
	ck_assert_uint_eq(facts.ram_bytes, 0);
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(notes_the_work_of_libvirt)
{
	struct fake_qemu q = usual();

	q.job = "libvirt is at work on the domain (job: dump)";
	ck_assert_int_eq(ask(&q), 0);
	ck_assert_str_eq(facts.job, q.job);
	preflight_facts_clear(&facts);
}
END_TEST

START_TEST(fails_where_qemu_ends_at_any_question)
{
	struct fake_qemu q;

	for (int gone = 1; gone <= 7; gone++) {
		q = usual();
		q.gone = gone;
		ck_assert_msg(ask(&q) == -ECONNRESET, "question %d", gone);
	}
	preflight_facts_clear(&facts);
}
END_TEST

UNIT_MAIN("qemu", learns_all_of_a_healthy_qemu, reads_a_refusal_in_qemus_words,
	  keeps_the_words_without_what_is_before_them, takes_back_what_a_strange_qemu_accepts,
	  keeps_every_reason_against_a_migration, keeps_every_disk_without_snapshots,
	  leaves_open_what_an_old_qemu_does_not_know, notes_the_work_of_libvirt,
	  fails_where_qemu_ends_at_any_question)
