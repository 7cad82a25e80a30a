/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the backend makes of libvirt's answers, without a libvirt. */
#include <errno.h>
#include <string.h>

#include "libvirt/error.h"
#include "libvirt/events.h"
#include "libvirt/process.h"
#include "libvirt/state.h"
#include "unit.h"

static struct fault fault;

START_TEST(gives_libvirts_words_and_the_nearest_code)
{
	virError e = {.code = VIR_ERR_OPERATION_TIMEOUT};
	char words[] = "cannot acquire state change lock";

	e.message = words;
	ck_assert_int_eq(error_tell(&fault, &e), -ETIMEDOUT);
	ck_assert_str_eq(fault.text, "libvirt says: cannot acquire state change lock");
	e.code = VIR_ERR_NO_DOMAIN;
	ck_assert_int_eq(error_tell(&fault, &e), -ENOENT);
	e.code = VIR_ERR_INTERNAL_ERROR;
	ck_assert_int_eq(error_tell(&fault, &e), -EIO);
	ck_assert_int_eq(error_tell(&fault, NULL), -EIO);
	ck_assert_str_eq(fault.text, "libvirt gives no reason");
}
END_TEST

static int check(struct link_state s)
{
	return state_check(&s, &fault);
}

START_TEST(leaves_a_domain_alone_on_which_libvirt_works)
{
	ck_assert_int_eq(check((struct link_state){.state = VIR_DOMAIN_RUNNING}), 0);
	ck_assert_int_eq(check((struct link_state){VIR_DOMAIN_RUNNING, 0, VIR_DOMAIN_JOB_UNBOUNDED,
						   VIR_DOMAIN_JOB_OPERATION_DUMP}),
			 -EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "job: dump"));
	ck_assert_int_eq(
		check((struct link_state){VIR_DOMAIN_RUNNING, 0, VIR_DOMAIN_JOB_BOUNDED, 9999}),
		-EPERM);
	ck_assert_ptr_nonnull(strstr(fault.text, "does not name"));
	ck_assert_int_eq(
		check((struct link_state){VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SAVE, 0, 0}),
		-EPERM);
	ck_assert_int_eq(check((struct link_state){.state = VIR_DOMAIN_SHUTDOWN}), -EPERM);
}
END_TEST

START_TEST(leaves_a_pause_of_the_user_to_others)
{
	ck_assert_int_eq(
		check((struct link_state){VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, 0, 0}), 0);
}
END_TEST

START_TEST(says_how_a_domain_ended)
{
	ck_assert_str_eq(events_how_stopped(VIR_DOMAIN_EVENT_STOPPED_FAILED), "its QEMU died");
	ck_assert_str_eq(events_how_stopped(-1), "libvirt does not say how");
	ck_assert_str_eq(events_how_stopped(99), "libvirt does not say how");
}
END_TEST

#define UUID "6c0ed4e5-0c0a-4f0e-9d1a-2f9f0c1b7a11"

static bool names(const char *words, size_t bytes)
{
	return process_words_name(words, bytes, UUID);
}

START_TEST(finds_a_uuid_only_where_it_is_the_value_of_the_option)
{
	static const char qemu[] = "qemu\0-name\0guest=web\0-uuid\0" UUID "\0-smp\0"
				   "1";
	static const char upper[] = "qemu\0-uuid\0"
				    "6C0ED4E5-0C0A-4F0E-9D1A-2F9F0C1B7A11";
	static const char other[] = "vmguard\0--domain\0" UUID;
	static const char option_last[] = "qemu\0" UUID "\0-uuid";

	ck_assert(names(qemu, sizeof(qemu)));
	ck_assert(names(upper, sizeof(upper)));
	ck_assert(!names(other, sizeof(other)));
	ck_assert(!names(option_last, sizeof(option_last)));
	ck_assert(!names(qemu, 0));
	ck_assert(!names(upper, sizeof(upper) - 2)); /* cut */
}
END_TEST

START_TEST(no_process_has_a_uuid_of_nobody)
{
	ck_assert_int_eq(process_find("00000000-0000-4000-8000-000000000000", &fault), -ESRCH);
}
END_TEST

UNIT_MAIN("domain", gives_libvirts_words_and_the_nearest_code,
	  leaves_a_domain_alone_on_which_libvirt_works, leaves_a_pause_of_the_user_to_others,
	  says_how_a_domain_ended, finds_a_uuid_only_where_it_is_the_value_of_the_option,
	  no_process_has_a_uuid_of_nobody)
