/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of the contract that an operator sees: who writes, what is protected or held, how much
 * room there is, what a segment is called. contract.h reads it.
 */
#pragma once

#include "contract_calls.h"

/* Who writes, as a sentence says it: process, host, and since when. */
START_TEST(names_the_writer_and_since_when)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_close) struct store *other = contract_store();
	struct store_image *writer = new_writer(s, "guest"), *second;
	char expected[128], host[65] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(expected, sizeof(expected), "process %d on host %s since 20", (int)getpid(), host);
	ck_assert_int_eq(store_image_open(other, "guest", STORE_WRITE, NULL, &second, &fault),
			 -EBUSY);
	ck_assert_msg(strstr(fault.text, expected), "%s", fault.text);
	store_image_close(writer);
}
END_TEST

START_TEST(does_not_remove_what_is_protected)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_close) struct store *other = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1};

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 0);
	protect(other, id, true); /* beside the writer, */
	protect(other, id, true); /* as often as one likes */
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 1);
	ck_assert_int_eq(store_is_protected(writer, (struct checkpoint_id){1, 2}, &fault), 0);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "vmguard snapshots --unprotect guest@1"), "%s",
		      fault.text);
	ck_assert_uint_eq(count_checkpoints(writer), 2);
	commit(writer, 1, 3);
	ck_assert_int_eq(put(writer, 0, 'b'), 0);
	struct store_image *reader = open_reader_of(s, "guest", id);
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	ck_assert_int_eq(store_is_protected(reader, id, &fault), 1);
	store_image_close(reader);
	protect(other, id, false);
	protect(other, id, false);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 0);
	ck_assert_msg(store_remove(writer, id, &fault) == 0, "%s", fault.text);
	ck_assert_uint_eq(count_checkpoints(writer), 2);
}
END_TEST

START_TEST(stays_protected_for_the_next_writer)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1};

	commit(writer, 1, 1);
	store_image_close(writer);
	protect(s, id, true); /* without a writer */
	writer = open_writer_of(s, "guest");
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 1);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	store_image_close(writer);
	protect(s, id, false);
}
END_TEST

START_TEST(does_not_remove_an_image_with_a_protected_commit)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest"), *reader;
	struct checkpoint_id id = {1, 2};

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	for (uint64_t i = 1; i <= 3; i++)
		commit(writer, 1, i);
	store_image_close(writer);
	protect(s, id, true);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "vmguard snapshots --unprotect guest@2"), "%s",
		      fault.text);
	reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	ck_assert_uint_eq(count_checkpoints(reader), 3);
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	store_image_close(reader);
	protect(s, id, false);
	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -ENOENT);
}
END_TEST

START_TEST(protects_only_what_is_there)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 7};

	commit(writer, 1, 1);
	ck_assert_int_eq(store_protect(s, "guest", id, true, &fault), -ENOENT);
	ck_assert_int_eq(store_protect(s, "guest", id, false, &fault), -ENOENT);
	ck_assert_int_eq(store_protect(s, "nobody", id, true, &fault), -ENOENT);
	ck_assert_int_eq(store_protect(s, "../x", id, true, &fault), -EINVAL);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), -ENOENT);
	commit(writer, 1, 7);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 0);
}
END_TEST

/* The protection of a commit ends with it: a later one of that name is not born with it. */
START_TEST(does_not_protect_the_next_commit_of_that_name)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 2};

	commit(writer, 1, 1);
	commit(writer, 1, 2);
	protect(s, id, true);
	protect(s, id, false);
	ck_assert_int_eq(store_remove(writer, id, &fault), 0);
	commit(writer, 1, 2);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 0);
	ck_assert_int_eq(store_remove(writer, id, &fault), 0);
}
END_TEST

START_TEST(does_not_remove_what_is_held)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_close) struct store *other = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1}, next = {1, 2};
	struct holder self = holder_self(), elsewhere = self;

	elsewhere.boot[0] = elsewhere.boot[0] == '0' ? '1' : '0';
	strcpy(elsewhere.host, "elsewhere");
	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	struct store_image *reader = open_reader_of(other, "guest", id);
	hold(reader, id, &self, true);					  /* beside the writer, */
	ck_assert_int_eq(store_hold(reader, id, &self, true, &fault), 1); /* once, however often, */
	hold(reader, id, &elsewhere, true);
	store_image_close(reader); /* and longer than its maker has it open */
	ck_assert_uint_eq(count_holders(writer, id), 2);
	ck_assert_uint_eq(count_holders(writer, next), 0);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "checkpoint 1 of guest is being restored by process"),
		      "%s", fault.text);
	ck_assert_msg(strstr(fault.text, "vmguard snapshots --release guest@1"), "%s", fault.text);
	ck_assert_uint_eq(count_checkpoints(writer), 2);
	hold(writer, id, &self, false);
	ck_assert_int_eq(store_hold(writer, id, &self, false, &fault), 1);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "on host elsewhere since 20"), "%s", fault.text);
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	hold(writer, id, &elsewhere, false);
	ck_assert_uint_eq(count_holders(writer, id), 0);
	ck_assert_msg(store_remove(writer, id, &fault) == 0, "%s", fault.text);
	ck_assert_uint_eq(count_checkpoints(writer), 1);
}
END_TEST

START_TEST(drops_the_holds_of_the_dead)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1};
	struct holder dead = holder_self(), rebooted = dead;

	dead.started--;
	rebooted.boot[0] = rebooted.boot[0] == '0' ? '1' : '0';
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	hold(writer, id, &dead, true);
	hold(writer, id, &rebooted, true);
	ck_assert_uint_eq(count_holders(writer, id), 0);
	ck_assert_msg(store_remove(writer, id, &fault) == 0, "%s", fault.text);
	ck_assert_uint_eq(count_checkpoints(writer), 1);
}
END_TEST

START_TEST(does_not_remove_an_image_with_a_held_commit)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 2};
	struct holder self = holder_self(), dead = self;

	dead.started--;
	for (uint64_t i = 1; i <= 3; i++)
		commit(writer, 1, i);
	hold(writer, id, &self, true);
	hold(writer, id, &dead, true);
	store_image_close(writer);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "checkpoint 2 of guest is being restored"), "%s",
		      fault.text);
	writer = open_writer_of(s, "guest");
	ck_assert_uint_eq(count_checkpoints(writer), 3);
	hold(writer, (struct checkpoint_id){1, 1}, &self,
	     true); /* nothing is left of the attempt */
	hold(writer, (struct checkpoint_id){1, 1}, &self, false);
	hold(writer, id, &self, false);
	store_image_close(writer);
	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -ENOENT);
}
END_TEST

START_TEST(holds_only_what_is_there)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 2};
	struct holder self = holder_self();

	commit(writer, 1, 1);
	ck_assert_int_eq(store_hold(writer, id, &self, true, &fault), -ENOENT);
	hold(writer, id, &self, false);
	commit(writer, 1, 2);
	ck_assert_uint_eq(count_holders(writer, id), 0);
	ck_assert_msg(store_remove(writer, id, &fault) == 0, "%s", fault.text);
	commit(writer, 1, 2);
	hold(writer, id, &self, true); /* what was removed is not removed for ever */
	hold(writer, id, &self, false);
}
END_TEST

START_TEST(says_how_much_room_there_is)
{
	auto_of(store_close) struct store *s = contract_store();
	uint64_t bytes = 1;
	int r = store_free_bytes(s, &bytes, &fault);

	/* A cluster without a manager keeps no statistics. */
	ck_assert_msg(r == 0 || r == -ENODATA, "%s", fault.text);
	if (r == 0)
		ck_assert_uint_gt(bytes, 0);
	else
		ck_assert_uint_gt(strlen(fault.text), 0);
}
END_TEST

START_TEST(names_the_object_of_a_segment)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	char first[STORE_OBJECT_BYTES], second[STORE_OBJECT_BYTES], again[STORE_OBJECT_BYTES];

	ck_assert_int_eq(put(writer, 3, 'a'), 0);
	ck_assert_int_eq(put(writer, 4, 'a'), 0);
	commit(writer, 1, 1);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	store_object_name(reader, 3, first);
	store_object_name(reader, 4, second);
	store_object_name(reader, 3, again);
	ck_assert_uint_gt(strlen(first), 0);
	ck_assert_str_eq(first, again);
	ck_assert_str_ne(first, second);
	store_object_name(reader, UINT64_MAX, again); /* must say something, of anything */
	ck_assert_uint_gt(strlen(again), 0);
	store_image_close(reader);
}
END_TEST

#define CONTRACT_OPERATOR_CASES                                                                \
	names_the_writer_and_since_when, does_not_remove_what_is_protected,                    \
		stays_protected_for_the_next_writer,                                           \
		does_not_remove_an_image_with_a_protected_commit, protects_only_what_is_there, \
		does_not_protect_the_next_commit_of_that_name, does_not_remove_what_is_held,   \
		drops_the_holds_of_the_dead, does_not_remove_an_image_with_a_held_commit,      \
		holds_only_what_is_there, says_how_much_room_there_is,                         \
		names_the_object_of_a_segment
