/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/operations.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "unit.h"

static struct operations *all;
static struct fault f;
static int asked;

static void count(void *context)
{
	(void)context;
	asked++;
}

static struct operation *begin(enum operation_kind kind, const char *guest)
{
	struct operation *o = operation_begin(all, kind, guest, "uid 0", 1000);

	ck_assert_ptr_nonnull(o);
	return o;
}

static void open_all(void)
{
	ck_assert_int_eq(operations_new(&all, &f), 0);
	asked = 0;
}

START_TEST(the_newest_comes_first)
{
	open_all();
	struct operation *a = begin(OPERATION_CAPTURE, "web"), *b = begin(OPERATION_RESTORE, "db");
	ck_assert_ptr_eq(operations_newest(all), b);
	ck_assert_ptr_eq(b->older, a);
	ck_assert_uint_gt(b->id, a->id);
	ck_assert_ptr_eq(operations_find(all, a->id), a);
	ck_assert_ptr_null(operations_find(all, 1));
	operations_close(all);
}
END_TEST

START_TEST(what_is_cancelled_may_have_been_done)
{
	open_all();
	struct operation *a = begin(OPERATION_CAPTURE, "web"), *b = begin(OPERATION_CAPTURE, "db");
	operation_let_cancel(a, count, NULL);
	operation_let_cancel(b, count, NULL);
	ck_assert_int_eq(operation_cancel(a, &f), 0);
	ck_assert_int_eq(operation_cancel(a, &f), 0);
	ck_assert_int_eq(operation_cancel(b, &f), 0);
	ck_assert_int_eq(asked, 2);
	operation_end(all, a, "cancelled", 2000);
	operation_end(all, b, NULL, 2000);
	ck_assert_int_eq(a->state, OPERATION_CANCELLED);
	ck_assert_int_eq(b->state, OPERATION_DONE);
	ck_assert_int_eq(operation_cancel(a, &f), -EALREADY);
	operations_close(all);
}
END_TEST

START_TEST(what_a_guest_needs_is_not_cancelled)
{
	open_all();
	struct operation *o = begin(OPERATION_RESTORE, "web");
	ck_assert_int_eq(operation_cancel(o, &f), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(f.text, "the restore of web"));
	ck_assert_int_eq(o->state, OPERATION_RUNNING);
	operations_close(all);
}
END_TEST

START_TEST(the_oldest_that_ended_is_forgotten)
{
	open_all();
	uint64_t running = begin(OPERATION_CAPTURE, "web")->id, first = 0;
	for (int i = 0; i <= OPERATIONS_ENDED_KEPT; i++) {
		struct operation *o = begin(OPERATION_CAPTURE, "web");

		first = first ? first : o->id;
		operation_end(all, o, i % 2 ? "full" : NULL, 2000);
	}
	ck_assert_ptr_null(operations_find(all, first));
	ck_assert_ptr_nonnull(operations_find(all, first + 1));
	ck_assert_ptr_nonnull(operations_find(all, running));
	operations_close(all);
}
END_TEST

START_TEST(one_that_took_long_is_kept_when_it_ends)
{
	open_all();
	struct operation *slow = begin(OPERATION_RESTORE, "web");
	uint64_t id = slow->id;
	for (int i = 0; i < OPERATIONS_ENDED_KEPT; i++)
		operation_end(all, begin(OPERATION_CAPTURE, "db"), NULL, 2000);
	operation_end(all, slow, NULL, 2000);
	ck_assert_ptr_eq(operations_find(all, id), slow);
	ck_assert_ptr_null(operations_find(all, id + 1));
	operations_close(all);
}
END_TEST

START_TEST(its_json_leaves_out_what_is_not_known)
{
	open_all();
	struct operation *o = begin(OPERATION_CAPTURE, "web");
	o->id = 7;
	struct json_object *json = operation_json(o);
	ck_assert_str_eq(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
			 "{\"id\":7,\"kind\":\"capture\",\"guest\":\"web\",\"state\":\"running\","
			 "\"who\":\"uid 0\",\"started\":\"1970-01-01T00:00:01.000Z\","
			 "\"cancellable\":false}");
	json_object_put(json);
	operation_progress(o, .5);
	o->checkpoint = 3;
	operation_end(all, o, "the pool is full", 2500);
	json = operation_json(o);
	ck_assert_str_eq(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
			 "{\"id\":7,\"kind\":\"capture\",\"guest\":\"web\",\"state\":\"failed\","
			 "\"who\":\"uid 0\",\"started\":\"1970-01-01T00:00:01.000Z\","
			 "\"ended\":\"1970-01-01T00:00:02.500Z\",\"progress\":0.5,"
			 "\"cancellable\":false,\"checkpoint\":3,\"fault\":\"the pool is full\"}");
	json_object_put(json);
	operations_close(all);
}
END_TEST

UNIT_MAIN("operations", the_newest_comes_first, what_is_cancelled_may_have_been_done,
	  what_a_guest_needs_is_not_cancelled, the_oldest_that_ended_is_forgotten,
	  one_that_took_long_is_kept_when_it_ends, its_json_leaves_out_what_is_not_known)
