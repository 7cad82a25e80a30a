/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commits of the directory backend: making one, removing one, and unlinking what none needs.
 *
 *	commit   fsync segment names -> write commit.new, fsync -> link as ckpt-… -> fsync folder
 *	                                                           ^ from here on it exists
 */
#include "dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int write_durably(int fd, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_new_commit(struct dir_image *image, struct fault *f)
{
	auto_free uint8_t *bytes = NULL;
	size_t length;
	int r = dir_table_encode(&image->table, &bytes, &length, f);

	if (r < 0)
		return r;
	unlinkat(image->folder, DIR_NEW_COMMIT, 0);
	int fd = openat(image->folder, DIR_NEW_COMMIT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0600);
	if (fd < 0)
		return fault_errno(f, -errno, "create %s", DIR_NEW_COMMIT);
	r = write_durably(fd, bytes, length);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r < 0 ? fault_errno(f, r, "write %s", DIR_NEW_COMMIT) : 0;
}

/* link() and not rename(): it never replaces a commit, also over NFS. */
static int link_commit(int folder, const char *name)
{
	struct stat st;

	if (linkat(folder, DIR_NEW_COMMIT, folder, name, 0) == 0)
		return 0;
	int r = -errno;
	/* NFS: the answer to the first try was lost and the second found its own work. */
	if (r == -EEXIST && fstatat(folder, DIR_NEW_COMMIT, &st, 0) == 0 && st.st_nlink == 2)
		return 0;
	return r;
}

static int publish(struct dir_image *image, struct checkpoint_id id, struct fault *f)
{
	char name[CHECKPOINT_NAME_BYTES], marker[DIR_MARKER_BYTES];
	int r = dir_writer_check(&image->lock, f);

	if (r < 0)
		return r;
	checkpoint_name(id, name);
	/* Left of an older one of that name, which somebody took away by hand. */
	dir_marker_name(id, marker);
	unlinkat(image->folder, marker, 0);
	r = link_commit(image->folder, name);
	if (r < 0)
		return fault_errno(f, r, "put %s in place", name);
	/* It may be there from now on whatever fails: its files must stay until a sweep. */
	image->uncommitted_from = image->next_generation;
	unlinkat(image->folder, DIR_NEW_COMMIT, 0);
	if (fsync(image->folder) < 0) {
		r = -errno;
		unlinkat(image->folder, name, 0);
		image->sweep_again = true;
		return fault_errno(f, r, "make %s durable", name);
	}
	return 0;
}

static int commit_steps(struct dir_image *image, struct checkpoint_id id, struct fault *f)
{
	struct dir_listing l;
	int r = dir_folder_list(image->folder, &l, f);
	if (r < 0)
		return r;
	r = checkpoint_check_next(id, l.commits, l.commit_count, f);
	dir_listing_clear(&l);
	if (r == 0)
		r = dir_flush(&image->base, f);
	if (r == 0)
		r = write_new_commit(image, f);
	if (r == 0)
		r = publish(image, id, f);
	if (r < 0)
		unlinkat(image->folder, DIR_NEW_COMMIT, 0);
	return r;
}

int dir_commit(struct store_image *base, struct checkpoint_id id, struct fault *f)
{
	struct dir_image *image = dir_image_of(base);
	struct fault ignored;

	assert(image->writable);
	dir_writers_drain(image);
	if (commit_steps(image, id, f) < 0)
		return fault_wrap(f, "commit checkpoint %llu of %s", (unsigned long long)id.number,
				  base->guest);
	/* The commit stands: what could not be unlinked now is unlinked another time. */
	if (image->sweep_again)
		dir_sweep(image, &ignored);
	return 0;
}

int dir_remove(struct store_image *base, struct checkpoint_id id, struct fault *f)
{
	struct dir_image *image = dir_image_of(base);
	char name[CHECKPOINT_NAME_BYTES];
	auto_fd int fd = -1;

	assert(image->writable);
	checkpoint_name(id, name);
	dir_writers_drain(image);
	int r = dir_writer_check(&image->lock, f);
	/* Before the lock, which keeps others from reading, and again under it, to be sure. */
	if (r == 0)
		r = dir_check_removable(image->folder, base->guest, &id, 1, f);
	if (r == 0)
		r = dir_commit_lock(image->folder, id, F_WRLCK, &fd, f);
	if (r == 0)
		r = dir_check_removable(image->folder, base->guest, &id, 1, f);
	if (r < 0)
		return fault_wrap(f, "remove %s of %s", name, base->guest);
	/* Durable before any of its files goes: a name must not come back without them. */
	if (unlinkat(image->folder, name, 0) < 0 || fsync(image->folder) < 0)
		return fault_errno(f, -errno, "remove %s of %s", name, base->guest);
	r = dir_sweep(image, f);
	return r < 0 ? fault_wrap(f, "remove %s of %s", name, base->guest) : 0;
}

static int compare_generation(const void *key, const void *item)
{
	uint64_t generation = *(const uint64_t *)key;
	const struct dir_file *file = item;

	return (generation > file->generation) - (generation < file->generation);
}

static void mark_named(struct dir_listing *l, const struct dir_table *t)
{
	if (!l->file_count)
		return;
	for (uint64_t i = 0; i < t->segments; i++) {
		if (!t->generations[i])
			continue;
		struct dir_file *file = bsearch(&t->generations[i], l->files, l->file_count,
						sizeof(*l->files), compare_generation);
		if (file)
			file->named = true;
	}
}

/* -EBADMSG: a commit is damaged, so nobody knows what it names. */
static int mark_commits(struct dir_image *image, struct dir_listing *l, struct fault *f)
{
	for (size_t i = 0; i < l->commit_count; i++) {
		struct dir_table table = {0};
		auto_fd int fd = -1;
		int r = dir_commit_lock(image->folder, l->commits[i], F_RDLCK, &fd, f);

		if (r == 0)
			r = dir_commit_read(fd, &table, f);
		if (r < 0)
			return r;
		mark_named(l, &table);
		dir_table_clear(&table);
	}
	return 0;
}

static size_t count_named(const struct dir_listing *l)
{
	size_t named = 0;

	for (size_t i = 0; i < l->file_count; i++)
		named += l->files[i].named;
	return named;
}

static void unlink_unnamed(int folder, const struct dir_listing *l)
{
	char name[SEGMENT_NAME_BYTES];

	for (size_t i = 0; i < l->file_count; i++) {
		if (l->files[i].named)
			continue;
		dir_segment_name(l->files[i].segment, l->files[i].generation, name);
		unlinkat(folder, name, 0);
	}
}

static bool has_commit(const struct dir_listing *l, struct checkpoint_id id)
{
	return l->commit_count &&
	       bsearch(&id, l->commits, l->commit_count, sizeof(*l->commits), checkpoint_compare);
}

/* Somebody took the commit away by hand: its marker must not protect a later one of that name. */
static void unlink_markers(int folder, const struct dir_listing *l)
{
	char name[DIR_MARKER_BYTES], hold[DIR_HOLD_BYTES];

	for (size_t i = 0; i < l->marker_count; i++) {
		if (has_commit(l, l->markers[i]))
			continue;
		dir_marker_name(l->markers[i], name);
		unlinkat(folder, name, 0);
	}
	for (size_t i = 0; i < l->hold_count; i++) {
		if (has_commit(l, l->holds[i].id))
			continue;
		dir_hold_name(&l->holds[i], hold);
		unlinkat(folder, hold, 0);
	}
}

int dir_sweep(struct dir_image *image, struct fault *f)
{
	struct dir_listing l;
	int r = dir_folder_list(image->folder, &l, f);

	if (r < 0)
		return r;
	unlinkat(image->folder, DIR_NEW_COMMIT, 0);
	unlink_markers(image->folder, &l);
	r = mark_commits(image, &l, f);
	if (r == 0) {
		size_t committed = count_named(&l);

		mark_named(&l, &image->table);
		/* Only the head keeps some of them: look again when it has moved on. */
		image->sweep_again = count_named(&l) > committed;
		unlink_unnamed(image->folder, &l);
	}
	dir_listing_clear(&l);
	/* Then all files stay until that commit is removed. */
	return r == -EBADMSG ? 0 : r;
}
