/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory backend: the contract, and what only a directory can show. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "contract.h"
#include "dir_fixture.h"

static void damage(const char *name)
{
	int fd = open_file(name, O_RDWR);

	ck_assert_int_eq(pwrite(fd, "x", 1, 25), 1);
	close(fd);
}

START_TEST(unlinks_what_was_overwritten_before_a_commit)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(count_files("seg-"), 1);
	commit(writer, 1, 1);
	ck_assert_int_eq(put(writer, 0, 'b'), 0);
	ck_assert_int_eq(count_files("seg-"), 2);
	ck_assert_int_eq(store_discard(writer, 0, UINT64_MAX, &fault), 0);
	ck_assert_int_eq(count_files("seg-"), 1);
	ck_assert_int_eq(count_files("commit.new"), 0);
}
END_TEST

START_TEST(unlinks_what_no_commit_names)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id first = {1, 1};

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(put(writer, 1, 'a'), 0);
	commit(writer, 1, 1);
	ck_assert_int_eq(put(writer, 0, 'b'), 0);
	commit(writer, 1, 2);
	ck_assert_int_eq(count_files("seg-"), 3);
	ck_assert_int_eq(store_remove(writer, first, &fault), 0);
	ck_assert_int_eq(count_files("seg-"), 2);
	ck_assert_int_eq(put(writer, 5, 'n'), 0);
	store_image_close(writer);
	close(open_file("commit.new", O_CREAT | O_WRONLY));
	close(open_file("foreign", O_CREAT | O_WRONLY));
	ck_assert_int_eq(count_files("seg-"), 3);
	writer = open_writer_of(s, "guest");
	ck_assert_int_eq(count_files("seg-"), 2);
	ck_assert_int_eq(count_files("commit.new"), 0);
	ck_assert_int_eq(unlinkat(dir_image_of(writer)->folder, "foreign", 0), 0);
	store_image_close(writer);
}
END_TEST

START_TEST(unlinks_later_what_only_the_head_kept)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id first = {1, 1};

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	ck_assert_int_eq(store_remove(writer, first, &fault), 0);
	ck_assert_int_eq(count_files("seg-"), 1);
	ck_assert_int_eq(put(writer, 0, 'b'), 0);
	ck_assert_int_eq(count_files("seg-"), 2);
	commit(writer, 1, 2);
	ck_assert_int_eq(count_files("seg-"), 1);
}
END_TEST

START_TEST(does_not_remove_a_commit_that_is_read)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1};

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	struct store_image *reader = open_reader_of(s, "guest", id);
	struct store_image *second = open_reader_of(s, "guest", id);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	store_image_close(reader);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	ck_assert_int_eq(holds(second, 0, 'a'), 1);
	store_image_close(second);
	ck_assert_int_eq(store_remove(writer, id, &fault), 0);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, &id, &reader, &fault), -ENOENT);
}
END_TEST

START_TEST(does_not_remove_an_image_that_is_read)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	store_image_close(writer);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 2});
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -EBUSY);
	ck_assert_uint_eq(count_checkpoints(reader), 2);
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	store_image_close(reader);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), 0);
}
END_TEST

START_TEST(keeps_to_itself_what_it_writes)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	char path[128];
	struct stat st;

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	snprintf(path, sizeof(path), "%s/guest", folder);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/guest/ckpt-1-1", folder);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_uint_eq(st.st_nlink, 1);
}
END_TEST

START_TEST(leaves_other_folders_alone)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *image;
	size_t counts[3] = {0};
	char path[128];

	snprintf(path, sizeof(path), "%s/foreign", folder);
	mkdir(path, 0700);
	store_image_close(new_writer(s, "guest"));
	ck_assert_int_eq(store_list(s, count_guests, counts, &fault), 0);
	ck_assert_uint_eq(counts[0], 1);
	ck_assert_int_eq(store_image_open(s, "foreign", STORE_READ, NULL, &image, &fault), -ENOENT);
	ck_assert_int_eq(store_image_remove(s, "foreign", &fault), -ENOENT);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(goes_on_from_the_commit_before_a_damaged_one)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest"), *reader;
	struct checkpoint_id damaged = {1, 2};

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	ck_assert_int_eq(put(writer, 0, 'b'), 0);
	commit(writer, 1, 2);
	store_image_close(writer);
	damage("ckpt-1-2");
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, &damaged, &reader, &fault),
			 -EBADMSG);
	ck_assert_ptr_nonnull(strstr(fault.text, "damaged"));
	writer = open_writer_of(s, "guest");
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	ck_assert_int_eq(count_files("seg-"), 2);
	commit(writer, 1, 3);
	ck_assert_int_eq(store_remove(writer, damaged, &fault), 0);
	ck_assert_int_eq(count_files("seg-"), 1);
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	store_image_close(writer);
}
END_TEST

START_TEST(fails_where_a_segment_is_short_or_gone)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	int fd;

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(holds(writer, 1, 'a'), -EIO);
	fd = open_file("seg-0.1", O_RDWR);
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	close(fd);
	ck_assert_int_eq(holds(writer, 0, 'a'), -EIO);
	ck_assert_ptr_nonnull(strstr(fault.text, "segment 0 of guest"));
}
END_TEST

START_TEST(refuses_to_commit_when_another_took_the_lock)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1};
	int fd = open_file("lock", O_WRONLY | O_TRUNC);

	ck_assert_int_eq(write(fd, "77 other 0\n", 11), 11);
	close(fd);
	ck_assert_int_eq(store_commit(writer, id, &fault), -ESHUTDOWN);
	ck_assert_ptr_nonnull(strstr(fault.text, "process 77 on host other"));
	ck_assert_uint_eq(count_checkpoints(writer), 0);
}
END_TEST

START_TEST(reports_a_write_that_found_no_room)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct rlimit before, small;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){CONTRACT_BYTES / 2, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	int r = put(writer, 0, 'b');
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_int_eq(r, -EFBIG);
	ck_assert_int_eq(count_files("seg-"), 1);
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
}
END_TEST

START_TEST(names_the_writer_of_an_older_vmguard)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest"), *second;
	int fd = open_file("lock", O_WRONLY | O_TRUNC);

	ck_assert_int_eq(write(fd, "77 other 0\n", 11), 11);
	close(fd);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_WRITE, NULL, &second, &fault), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fault.text, "process 77 on host other: stop it first"));
	fd = open_file("lock", O_WRONLY | O_TRUNC);
	ck_assert_int_eq(write(fd, "77 other 0 86400000\n", 20), 20);
	close(fd);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_WRITE, NULL, &second, &fault), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fault.text, "process 77 on host other since 1972-09-2"));
	store_image_close(writer);
}
END_TEST

START_TEST(removes_the_marker_of_a_commit_that_is_gone)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 2};

	for (uint64_t i = 1; i <= 3; i++)
		commit(writer, 1, i);
	protect(s, id, true);
	ck_assert_int_eq(count_files("ckpt-1-2.protected"), 1);
	/* By hand: no vmguard removes it. */
	ck_assert_int_eq(unlinkat(dir_image_of(writer)->folder, "ckpt-1-2", 0), 0);
	ck_assert_uint_eq(count_checkpoints(writer), 2);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), -ENOENT);
	ck_assert_int_eq(store_remove(writer, id, &fault), -ENOENT);
	ck_assert_int_eq(store_protect(s, "guest", id, false, &fault), -ENOENT);
	protect(s, (struct checkpoint_id){1, 1}, true);
	ck_assert_int_eq(store_remove(writer, (struct checkpoint_id){1, 3}, &fault), 0);
	ck_assert_int_eq(count_files("ckpt-1-2.protected"), 0);
	ck_assert_int_eq(count_files("ckpt-1-1.protected"), 1);
	commit(writer, 1, 2);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 0);
	protect(s, (struct checkpoint_id){1, 1}, false);
}
END_TEST

/* No sweep came between: the commit itself takes the marker away. */
START_TEST(commits_under_a_name_whose_marker_was_left)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	struct checkpoint_id id = {1, 1};

	close(open_file("ckpt-1-1.protected", O_CREAT | O_WRONLY));
	commit(writer, 1, 1);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 0);
	close(open_file("ckpt-9-9.protected", O_CREAT | O_WRONLY));
	store_image_close(writer);
	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
	char path[128];
	snprintf(path, sizeof(path), "%s/guest", folder);
	ck_assert_int_lt(access(path, F_OK), 0); /* not even the folder is left */
	store_image_close(new_writer(s, "guest"));
}
END_TEST

START_TEST(tells_the_room_of_its_filesystem)
{
	auto_of(store_close) struct store *s = contract_store();
	struct statvfs before, after;
	uint64_t bytes;

	/* Others write to it too: until nothing has changed meanwhile. */
	do {
		ck_assert_int_eq(statvfs(folder, &before), 0);
		ck_assert_int_eq(store_free_bytes(s, &bytes, &fault), 0);
		ck_assert_int_eq(statvfs(folder, &after), 0);
	} while (before.f_bavail != after.f_bavail);
	ck_assert_uint_eq(bytes, (uint64_t)after.f_bavail * after.f_frsize);
}
END_TEST

START_TEST(names_the_file_of_a_segment)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	char name[STORE_OBJECT_BYTES], path[256];

	ck_assert_int_eq(put(writer, 5, 'a'), 0);
	commit(writer, 1, 1);
	struct store_image *reader = open_reader_of(s, "guest", (struct checkpoint_id){1, 1});
	ck_assert_int_eq(put(writer, 5, 'b'), 0);
	store_object_name(reader, 5, name);
	ck_assert_str_eq(name, "guest/seg-5.1");
	store_object_name(writer, 5, name);
	ck_assert_str_eq(name, "guest/seg-5.2");
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(access(path, R_OK), 0);
	store_object_name(reader, 6, name);
	ck_assert_str_eq(name, "guest/seg-6, which is not there");
	store_image_close(reader);
}
END_TEST

START_TEST(has_no_encryption_and_says_what_has)
{
	auto_of(store_close) struct store *s = contract_store();

	ck_assert_int_eq(store_use_key(s, "/nowhere", true, &fault), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(fault.text, "dm-crypt"));
}
END_TEST

UNIT_MAIN("dir", CONTRACT_CASES, unlinks_what_was_overwritten_before_a_commit,
	  unlinks_what_no_commit_names, unlinks_later_what_only_the_head_kept,
	  does_not_remove_a_commit_that_is_read, does_not_remove_an_image_that_is_read,
	  keeps_to_itself_what_it_writes, leaves_other_folders_alone,
	  goes_on_from_the_commit_before_a_damaged_one, fails_where_a_segment_is_short_or_gone,
	  refuses_to_commit_when_another_took_the_lock, reports_a_write_that_found_no_room,
	  names_the_writer_of_an_older_vmguard, removes_the_marker_of_a_commit_that_is_gone,
	  tells_the_room_of_its_filesystem, names_the_file_of_a_segment,
	  has_no_encryption_and_says_what_has, commits_under_a_name_whose_marker_was_left,
	  leaves_nothing_behind)
