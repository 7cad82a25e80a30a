/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every store must do, as test cases that know only the URI: dir_test.c runs them in
 * a folder of its own, rbd_test.c against a real Ceph cluster. The program that includes
 * this defines contract_uri().
 */
#pragma once

#include "contract_calls.h"
#include "contract_operator.h"
#include "contract_text.h"

START_TEST(shows_a_commit_only_when_it_is_made)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {3, 1};
	struct store_image *reader;

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(store_flush(writer, &fault), 0);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, &id, &reader, &fault), -ENOENT);
	ck_assert_ptr_null(reader);
	commit(writer, 3, 1);
	reader = open_reader_of(s, "guest", id);
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	ck_assert_uint_eq(count_checkpoints(reader), 1);
	store_image_close(reader);
}
END_TEST

START_TEST(keeps_a_commit_whatever_the_head_does)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(put(writer, 1, 'b'), 0);
	commit(writer, 1, 1);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	ck_assert_int_eq(put(writer, 0, 'x'), 0);
	ck_assert_int_eq(store_discard(writer, 1, 1, &fault), 0);
	ck_assert_int_eq(holds(writer, 0, 'x'), 1);
	ck_assert_int_ne(holds(writer, 1, 'b'), 1);
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	ck_assert_int_eq(holds(reader, 1, 'b'), 1);
	commit(writer, 1, 2);
	ck_assert_int_eq(store_discard(writer, 0, 2 * CONTRACT_MANY, &fault), 0);
	ck_assert_int_eq(holds(reader, 1, 'b'), 1);
	store_image_close(reader);
	reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 2});
	ck_assert_int_eq(holds(reader, 0, 'x'), 1);
	store_image_close(reader);
}
END_TEST

START_TEST(lets_the_next_writer_go_on_from_the_last_commit)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	ck_assert_int_eq(put(writer, 1, 'n'), 0);
	store_image_close(writer);
	writer = open_writer_of(s, "guest");
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	ck_assert_uint_eq(count_checkpoints(writer), 1);
	ck_assert_int_eq(put(writer, 1, 'b'), 0);
	commit(writer, 2, 2);
	store_image_close(writer);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){2, 2});
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	ck_assert_int_eq(holds(reader, 1, 'b'), 1);
	store_image_close(reader);
}
END_TEST

START_TEST(removes_a_commit_and_keeps_the_others)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");

	for (uint64_t i = 1; i <= 3; i++) {
		ck_assert_int_eq(put(writer, i, (uint8_t)('0' + i)), 0);
		ck_assert_int_eq(put(writer, 9, (uint8_t)('0' + i)), 0);
		commit(writer, 1, i);
	}
	ck_assert_int_eq(store_remove(writer, (struct checkpoint_id){1, 2}, &fault), 0);
	ck_assert_int_eq(store_remove(writer, (struct checkpoint_id){1, 2}, &fault), -ENOENT);
	ck_assert_uint_eq(count_checkpoints(writer), 2);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	ck_assert_int_eq(holds(reader, 9, '1'), 1);
	store_image_close(reader);
	reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 3});
	for (uint64_t i = 1; i <= 3; i++)
		ck_assert_int_eq(holds(reader, i, (uint8_t)('0' + i)), 1);
	ck_assert_int_eq(holds(reader, 9, '3'), 1);
	store_image_close(reader);
}
END_TEST

START_TEST(goes_on_writing_after_the_last_commit_was_removed)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(put(writer, 1, 'b'), 0);
	commit(writer, 1, 1);
	ck_assert_int_eq(store_remove(writer, (struct checkpoint_id){1, 1}, &fault), 0);
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	ck_assert_int_eq(put(writer, 1, 'c'), 0);
	commit(writer, 1, 2);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 2});
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	ck_assert_int_eq(holds(reader, 1, 'c'), 1);
	store_image_close(reader);
}
END_TEST

START_TEST(refuses_a_commit_that_does_not_follow)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");

	commit(writer, 3, 7);
	ck_assert_int_eq(store_commit(writer, (struct checkpoint_id){3, 7}, &fault), -EEXIST);
	ck_assert_int_eq(store_commit(writer, (struct checkpoint_id){3, 6}, &fault), -ESTALE);
	ck_assert_int_eq(store_commit(writer, (struct checkpoint_id){2, 8}, &fault), -ESTALE);
	commit(writer, 3, 8);
	ck_assert_uint_eq(count_checkpoints(writer), 2);
}
END_TEST

START_TEST(refuses_a_second_writer)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_close) struct store *other = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	struct store_image *second;

	commit(writer, 1, 1);
	ck_assert_int_eq(store_image_open(other, "guest", STORE_WRITE, NULL, &second, &fault),
			 -EBUSY);
	ck_assert_ptr_null(second);
	ck_assert_ptr_nonnull(strstr(fault.text, "is being written by"));
	ck_assert_int_eq(store_image_remove(other, "guest", &fault), -EBUSY);
	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 2);
	store_image_close(writer);
	writer = open_writer_of(other, "guest");
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	store_image_close(writer);
}
END_TEST

START_TEST(takes_many_writes_at_once)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct waited_write *writes[CONTRACT_MANY];

	for (size_t i = 0; i < CONTRACT_MANY; i++)
		writes[i] = start_write(writer, i, (uint8_t)i);
	for (size_t i = 0; i < CONTRACT_MANY; i++)
		ck_assert_int_eq(end_write(writes[i]), 0);
	commit(writer, 1, 1);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	for (size_t i = 0; i < CONTRACT_MANY; i++)
		ck_assert_int_eq(holds(reader, i, (uint8_t)i), 1);
	store_image_close(reader);
}
END_TEST

START_TEST(waits_for_writes_under_way_when_it_closes)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	struct waited_write *writes[CONTRACT_MANY];

	for (size_t i = 0; i < CONTRACT_MANY; i++)
		writes[i] = start_write(writer, i, (uint8_t)i);
	store_image_close(writer);
	for (size_t i = 0; i < CONTRACT_MANY; i++) {
		ck_assert(writes[i]->is_over);
		ck_assert_int_eq(end_write(writes[i]), 0);
	}
}
END_TEST

static int count_guests(void *context, const char *guest)
{
	size_t *counts = context;

	counts[0]++;
	counts[1] += !strcmp(guest, "guest");
	counts[2] += !strcmp(guest, "guest.2");
	return 0;
}

static int refuse_guest(void *context, const char *guest)
{
	(void)context;
	(void)guest;
	return -ECANCELED;
}

START_TEST(lists_and_removes_images)
{
	auto_of(store_close) struct store *s = contract_store();
	size_t counts[3] = {0};

	store_image_close(new_writer(s, "guest"));
	struct store_image *writer = new_writer(s, "guest.2");
	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	store_image_close(writer);
	ck_assert_int_eq(store_list(s, count_guests, counts, &fault), 0);
	ck_assert_uint_eq(counts[1], 1);
	ck_assert_uint_eq(counts[2], 1);
	ck_assert_int_eq(store_list(s, refuse_guest, NULL, &fault), -ECANCELED);
	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
	ck_assert_msg(store_image_remove(s, "guest.2", &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -ENOENT);
	memset(counts, 0, sizeof(counts));
	ck_assert_int_eq(store_list(s, count_guests, counts, &fault), 0);
	ck_assert_uint_eq(counts[1] + counts[2], 0);
}
END_TEST

START_TEST(says_what_is_not_there)
{
	auto_of(store_close) struct store *s = contract_store();
	struct checkpoint_id id = {9, 9};
	struct store_image *image;

	ck_assert_int_eq(store_image_open(s, "nobody", STORE_READ, NULL, &image, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "nobody"));
	ck_assert_int_eq(store_image_open(s, "nobody", STORE_READ, &id, &image, &fault), -ENOENT);
	ck_assert_int_eq(store_image_open(s, "../x", STORE_READ, NULL, &image, &fault), -EINVAL);
	ck_assert_int_eq(store_image_open(s, "a/b", STORE_WRITE, NULL, &image, &fault), -EINVAL);
	ck_assert_int_eq(store_image_remove(s, "nobody", &fault), -ENOENT);
	ck_assert_int_eq(store_image_remove(s, "..", &fault), -EINVAL);
	store_image_close(new_writer(s, "guest"));
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, NULL, &image, &fault), 0);
	ck_assert_uint_eq(count_checkpoints(image), 0);
	store_image_close(image);
}
END_TEST

START_TEST(fails_to_read_beyond_the_image)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	char byte;

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	ck_assert_int_eq(store_read(reader, 1 << 20, 0, &byte, 1, &fault), -EIO);
	ck_assert_int_eq(store_read(reader, 0, CONTRACT_BYTES - 1, &byte, 1, &fault), 0);
	ck_assert_int_eq(byte, 'a');
	store_image_close(reader);
}
END_TEST

#define CONTRACT_CASES                                                                            \
	shows_a_commit_only_when_it_is_made, keeps_a_commit_whatever_the_head_does,               \
		lets_the_next_writer_go_on_from_the_last_commit,                                  \
		removes_a_commit_and_keeps_the_others,                                            \
		goes_on_writing_after_the_last_commit_was_removed,                                \
		refuses_a_commit_that_does_not_follow, refuses_a_second_writer,                   \
		takes_many_writes_at_once, waits_for_writes_under_way_when_it_closes,             \
		lists_and_removes_images, says_what_is_not_there, fails_to_read_beyond_the_image, \
		CONTRACT_OPERATOR_CASES, CONTRACT_TEXT_CASES
