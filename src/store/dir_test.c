/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory backend: the contract, and what only a directory can show. */
#include "dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "contract.h"

enum { KILL_ROUNDS = 40, LIVE_SEGMENTS = 8 };

static char folder[64];
static char uri[80];

static const char *contract_uri(void)
{
	return uri;
}

/* Counts the files of the guest's folder whose name starts with `prefix`. */
static int count_files(const char *prefix)
{
	char path[128];
	struct dirent *entry;
	int count = 0;

	snprintf(path, sizeof(path), "%s/guest", folder);
	DIR *names = opendir(path);
	ck_assert_ptr_nonnull(names);
	while ((entry = readdir(names)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(names);
	return count;
}

static int open_file(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/guest/%s", folder, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

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

/*
 * A child that writes and commits until it is killed. Checkpoint n holds the byte n in
 * every segment, so a mixture of two is seen. It never returns: it is a copy of the test.
 */
static void write_for_ever(uint64_t epoch)
{
	struct store *s = contract_store();
	struct store_image *writer;
	struct checkpoint_id *ids;
	size_t count;

	while (store_image_open(s, "guest", STORE_WRITE, NULL, &writer, &fault) < 0)
		if (fault.code != -EBUSY)
			_exit(4);
	if (store_checkpoints(writer, &ids, &count, &fault) < 0)
		_exit(1);
	uint64_t number = count ? ids[count - 1].number : 0;
	for (;;) {
		struct waited_write *writes[LIVE_SEGMENTS];
		struct checkpoint_id id = {epoch, ++number}, old = {epoch, number - 2};

		for (size_t i = 0; i < LIVE_SEGMENTS; i++)
			writes[i] = start_write(writer, i, (uint8_t)number);
		for (size_t i = 0; i < LIVE_SEGMENTS; i++)
			if (end_write(writes[i]) < 0)
				_exit(2);
		if (store_commit(writer, id, &fault) < 0)
			_exit(3);
		store_remove(writer, old, &fault);
	}
}

/* All commits must be whole; returns the number of the last one. */
static uint64_t check_commits(struct store *s)
{
	auto_of(store_image_close) struct store_image *list = NULL;
	auto_free struct checkpoint_id *ids = NULL;
	size_t count;

	if (store_image_open(s, "guest", STORE_READ, NULL, &list, &fault) == -ENOENT)
		return 0;
	ck_assert_int_eq(store_checkpoints(list, &ids, &count, &fault), 0);
	for (size_t i = 0; i < count; i++) {
		struct store_image *reader = open_reader_of(s, "guest", ids[i]);

		for (uint64_t segment = 0; segment < LIVE_SEGMENTS; segment++)
			ck_assert_msg(holds(reader, segment, (uint8_t)ids[i].number) == 1,
				      "checkpoint %zu: %s", i, fault.text);
		store_image_close(reader);
	}
	return count ? ids[count - 1].number : 0;
}

START_TEST(survives_a_writer_that_is_killed_at_any_moment)
{
	auto_of(store_close) struct store *s = contract_store();
	uint64_t last = 0;

	store_image_close(new_writer(s, "guest"));
	for (uint64_t round = 1; round <= KILL_ROUNDS; round++) {
		pid_t child = fork();

		if (child == 0)
			write_for_ever(round);
		usleep((useconds_t)(rand() % 30000));
		kill(child, SIGKILL);
		int status;
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_msg(WIFSIGNALED(status), "the child ended by itself: %d", status);
		uint64_t now = check_commits(s);
		ck_assert_uint_ge(now, last);
		last = now;
	}
	ck_assert_uint_gt(last, 0);
	store_image_close(open_writer_of(s, "guest"));
	ck_assert_int_le(count_files("seg-"), LIVE_SEGMENTS * count_files("ckpt-"));
}
END_TEST

/* Opens the newest commit again and again while another process removes old ones. */
START_TEST(lets_readers_race_with_removal)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_image_close) struct store_image *list = new_writer(s, "guest");
	auto_free struct checkpoint_id *ids = NULL;
	int read = 0;

	store_image_close(list);
	pid_t child = fork();
	if (child == 0)
		write_for_ever(1);
	ck_assert_int_eq(store_image_open(s, "guest", STORE_READ, NULL, &list, &fault), 0);
	for (int i = 0; i < 3000 || read < 10; i++) {
		struct store_image *reader;
		size_t count;

		scope_free(&ids);
		ck_assert_int_eq(store_checkpoints(list, &ids, &count, &fault), 0);
		if (!count)
			continue;
		int r = store_image_open(s, "guest", STORE_READ, &ids[0], &reader, &fault);
		ck_assert_msg(r == 0 || r == -ENOENT, "%s", fault.text);
		if (r < 0)
			continue;
		ck_assert_int_eq(holds(reader, 0, (uint8_t)ids[0].number), 1);
		ck_assert_int_eq(holds(reader, LIVE_SEGMENTS - 1, (uint8_t)ids[0].number), 1);
		store_image_close(reader);
		read++;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

START_TEST(names_the_process_that_writes)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *image;
	char expected[64];

	store_image_close(new_writer(s, "guest"));
	pid_t child = fork();
	if (child == 0)
		write_for_ever(1);
	snprintf(expected, sizeof(expected), "process %d on host", (int)child);
	/* Until the child is that far. */
	do {
		if (store_image_open(s, "guest", STORE_WRITE, NULL, &image, &fault) == 0)
			store_image_close(image);
		else
			ck_assert_int_eq(fault.code, -EBUSY);
	} while (fault.code != -EBUSY || !strstr(fault.text, expected));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

START_TEST(leaves_nothing_behind)
{
	struct store *s = contract_store();

	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
	store_close(s);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* The folder is made by the store: its parent is there. */
__attribute__((constructor)) static void choose_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/vmguard-dir-test-%d", (int)getpid());
	snprintf(uri, sizeof(uri), "dir:%s", folder);
}

UNIT_MAIN("dir", CONTRACT_CASES, unlinks_what_was_overwritten_before_a_commit,
	  unlinks_what_no_commit_names, unlinks_later_what_only_the_head_kept,
	  does_not_remove_a_commit_that_is_read, does_not_remove_an_image_that_is_read,
	  keeps_to_itself_what_it_writes, leaves_other_folders_alone,
	  goes_on_from_the_commit_before_a_damaged_one, fails_where_a_segment_is_short_or_gone,
	  refuses_to_commit_when_another_took_the_lock, reports_a_write_that_found_no_room,
	  survives_a_writer_that_is_killed_at_any_moment, lets_readers_race_with_removal,
	  names_the_process_that_writes, leaves_nothing_behind)
