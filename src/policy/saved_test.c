/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies in a store that runs: VMGUARD_TEST_STORE, else a directory. */
#include "vmguard/policy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "vmguard/scope.h"

enum { EDITORS = 3, EDITS = 20 };

static struct fault fault;
static struct store *store;

#define ASSERT_OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, fault.text)

static int forget(void *unused, const char *guest, const struct policy *p, const struct fault *why)
{
	(void)unused;
	(void)p;
	(void)why;
	return policy_remove(store, guest, 0, &fault);
}

static void store_begin(void)
{
	static char uri[64];
	const char *given = getenv("VMGUARD_TEST_STORE");

	snprintf(uri, sizeof(uri), "dir:/tmp/vmguard-policy-test-%d", (int)getpid());
	ASSERT_OK(store_open(given ? given : uri, &store, &fault));
	ASSERT_OK(policy_list(store, forget, NULL, &fault));
}

static void store_end(void)
{
	char command[128];

	ASSERT_OK(policy_list(store, forget, NULL, &fault));
	store_close(give(store));
	snprintf(command, sizeof(command), "rm -rf /tmp/vmguard-policy-test-%d", (int)getpid());
	ck_assert_int_eq(system(command), 0);
}

static struct policy of(const char *domain)
{
	struct policy p;

	policy_init(&p);
	ASSERT_OK(policy_set(&p, "domain", domain, &fault));
	return p;
}

START_TEST(a_policy_is_there_until_it_is_removed)
{
	struct policy p = of("web"), read;

	store_begin();
	ck_assert_int_eq(policy_load(store, "web", &read, &fault), -ENOENT);
	ck_assert_msg(strstr(fault.text, "web is not protected"), "%s", fault.text);
	ASSERT_OK(policy_save(store, "web", &p, &fault));
	ck_assert_uint_gt(p.generation, 0);
	ASSERT_OK(policy_load(store, "web", &read, &fault));
	ck_assert_uint_eq(read.generation, p.generation);
	ck_assert_str_eq(read.domain, "web");
	ASSERT_OK(policy_remove(store, "web", read.generation, &fault));
	ck_assert_int_eq(policy_load(store, "web", &read, &fault), -ENOENT);
	ck_assert_int_eq(policy_remove(store, "web", 0, &fault), -ENOENT);
	store_end();
}
END_TEST

START_TEST(of_two_editors_the_later_is_refused)
{
	struct policy one = of("web"), two;
	uint64_t before;

	store_begin();
	ASSERT_OK(policy_save(store, "web", &one, &fault));
	before = one.generation;
	two = one;
	ASSERT_OK(policy_set(&one, "interval", "5s", &fault));
	ASSERT_OK(policy_save(store, "web", &one, &fault));
	ck_assert_uint_eq(one.generation, before + 1);
	ASSERT_OK(policy_set(&two, "interval", "7s", &fault));
	ck_assert_int_eq(policy_save(store, "web", &two, &fault), -ESTALE);
	ck_assert_msg(strstr(fault.text, "somebody else"), "%s", fault.text);
	ck_assert_uint_eq(two.generation, before);
	ck_assert_int_eq(policy_remove(store, "web", before, &fault), -ESTALE);
	ASSERT_OK(policy_load(store, "web", &two, &fault));
	ck_assert_int_eq(two.interval_ms, 5000);
	store_end();
}
END_TEST

START_TEST(a_policy_made_anew_is_another)
{
	struct policy one = of("web"), again = of("web"), third = of("web");

	store_begin();
	ASSERT_OK(policy_save(store, "web", &one, &fault));
	ck_assert_int_eq(policy_save(store, "web", &again, &fault), -EEXIST);
	ck_assert_uint_eq(again.generation, 0);
	ASSERT_OK(policy_remove(store, "web", 0, &fault));
	ck_assert_int_eq(policy_save(store, "web", &one, &fault), -ESTALE);
	usleep(2000); /* generations begin at the time in ms */
	ASSERT_OK(policy_save(store, "web", &third, &fault));
	ck_assert_int_eq(policy_save(store, "web", &one, &fault), -ESTALE);
	store_end();
}
END_TEST

START_TEST(what_cannot_be_protected_is_not_saved)
{
	struct policy p = of("web");

	store_begin();
	ck_assert_int_eq(policy_save(store, "../web", &p, &fault), -EINVAL);
	ASSERT_OK(policy_set(&p, "keep-last", "0", &fault));
	ck_assert_int_eq(policy_save(store, "web", &p, &fault), -EINVAL);
	ck_assert_msg(strstr(fault.text, "policy of web"), "%s", fault.text);
	ck_assert_int_eq(policy_load(store, "web", &p, &fault), -ENOENT);
	store_end();
}
END_TEST

struct counted {
	int read, not_read;
};

static int count(void *counted, const char *guest, const struct policy *p, const struct fault *why)
{
	struct counted *c = counted;

	ck_assert(!p == !!why);
	if (p)
		ck_assert_str_eq(p->domain, guest);
	else
		ck_assert_msg(strstr(why->text, "policy of broken"), "%s", why->text);
	c->read += !!p;
	c->not_read += !p;
	return 0;
}

START_TEST(one_that_cannot_be_read_does_not_hide_the_others)
{
	struct counted c = {0};
	struct policy web = of("web"), db = of("db"), broken = of("broken");

	store_begin();
	ASSERT_OK(policy_save(store, "web", &web, &fault));
	ASSERT_OK(policy_save(store, "db", &db, &fault));
	ASSERT_OK(store_text_swap(store, "policy", "broken", NULL, "{\"format\": 9}", &fault));
	ASSERT_OK(policy_list(store, count, &c, &fault));
	ck_assert_int_eq(c.read, 2);
	ck_assert_int_eq(c.not_read, 1);
	ck_assert_int_eq(policy_load(store, "broken", &broken, &fault), -EPROTONOSUPPORT);
	ck_assert_int_eq(policy_remove(store, "broken", 7, &fault), -EPROTONOSUPPORT);
	ASSERT_OK(policy_remove(store, "broken", 0, &fault));
	store_end();
}
END_TEST

/* As an editor does: load, change, save, and again where somebody was faster. */
static void *edit(void *unused)
{
	struct policy p;
	struct fault f;

	(void)unused;
	for (int done = 0; done < EDITS;) {
		if (policy_load(store, "web", &p, &f) < 0)
			return store;
		p.priority++;
		int r = policy_save(store, "web", &p, &f);
		if (r < 0 && r != -ESTALE)
			return store;
		done += !r;
	}
	return NULL;
}

START_TEST(no_edit_is_lost_of_many_at_once)
{
	pthread_t editors[EDITORS];
	struct policy p = of("web");
	void *failed;

	store_begin();
	ASSERT_OK(policy_set(&p, "priority", "0", &fault));
	ASSERT_OK(policy_save(store, "web", &p, &fault));
	for (int i = 0; i < EDITORS; i++)
		ck_assert_int_eq(pthread_create(&editors[i], NULL, edit, NULL), 0);
	for (int i = 0; i < EDITORS; i++) {
		pthread_join(editors[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ASSERT_OK(policy_load(store, "web", &p, &fault));
	ck_assert_uint_eq(p.priority, EDITORS * EDITS);
	store_end();
}
END_TEST

UNIT_MAIN("policy/saved", a_policy_is_there_until_it_is_removed,
	  of_two_editors_the_later_is_refused, a_policy_made_anew_is_another,
	  what_cannot_be_protected_is_not_saved, one_that_cannot_be_read_does_not_hide_the_others,
	  no_edit_is_lost_of_many_at_once)
