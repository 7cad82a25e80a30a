/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images of the directory backend: open, close, list, read, remove. */
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct dir_image *dir_image_of(struct store_image *image)
{
	return (struct dir_image *)image;
}

static struct dir_image *image_new(const char *guest)
{
	struct dir_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->base.ops = &store_dir_ops;
	strncpy(image->base.guest, guest, sizeof(image->base.guest) - 1);
	image->folder = image->commit = -1;
	image->lock.folder = image->lock.fd = -1;
	image->last = &image->first;
	pthread_mutex_init(&image->mutex, NULL);
	pthread_cond_init(&image->work, NULL);
	pthread_cond_init(&image->idle, NULL);
	return image;
}

void dir_image_close(struct store_image *base)
{
	struct dir_image *image = dir_image_of(base);

	dir_writers_stop(image);
	if (image->commit >= 0)
		close(image->commit);
	if (image->folder >= 0 && !image->writable)
		close(image->folder);
	dir_writer_unlock(&image->lock);
	dir_table_clear(&image->table);
	pthread_cond_destroy(&image->idle);
	pthread_cond_destroy(&image->work);
	pthread_mutex_destroy(&image->mutex);
	free(image);
}

static int open_reader(struct dir_image *image, int store, const struct checkpoint_id *at,
		       struct fault *f)
{
	image->folder = openat(store, image->base.guest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (image->folder < 0 ? errno == ENOENT : faccessat(image->folder, "lock", F_OK, 0) < 0)
		return fault_set(f, -ENOENT, "%s has no image", image->base.guest);
	if (image->folder < 0)
		return fault_errno(f, -errno, "open folder %s", image->base.guest);
	if (!at)
		return 0;
	int r = dir_commit_lock(image->folder, *at, F_RDLCK, &image->commit, f);
	if (r < 0)
		return r;
	return dir_commit_read(image->commit, &image->table, f);
}

/*
 * The head starts as the newest commit that can be read: a damaged one does not keep the
 * guest unprotected, the next commit goes on from the one before it.
 */
static int load_head(struct dir_image *image, const struct dir_listing *l, struct fault *f)
{
	struct fault damaged;

	for (size_t i = l->commit_count; i-- > 0;) {
		auto_fd int fd = -1;
		int r = dir_commit_lock(image->folder, l->commits[i], F_RDLCK, &fd, f);

		if (r < 0)
			return r;
		r = dir_commit_read(fd, &image->table, &damaged);
		if (r != -EBADMSG) {
			if (r < 0)
				*f = damaged;
			return r;
		}
	}
	return 0;
}

static int open_writer(struct dir_image *image, int store, struct fault *f)
{
	struct dir_listing l;
	int r = dir_writer_lock(store, image->base.guest, true, &image->lock, f);

	if (r < 0)
		return r;
	image->writable = true;
	image->folder = image->lock.folder;
	r = dir_folder_list(image->folder, &l, f);
	if (r < 0)
		return r;
	/* Above every file of an earlier writer, so that no two writers make the same name. */
	image->next_generation = l.file_count ? l.files[l.file_count - 1].generation + 1 : 1;
	image->uncommitted_from = image->next_generation;
	r = load_head(image, &l, f);
	dir_listing_clear(&l);
	if (r == 0)
		r = dir_sweep(image, f);
	return r < 0 ? r : dir_writers_start(image, f);
}

int dir_image_open(struct store *s, const char *guest, enum store_mode mode,
		   const struct checkpoint_id *at, struct store_image **out, struct fault *f)
{
	int store = ((struct dir_store *)s)->fd;

	*out = NULL;
	int r = store_check_name(guest, f);
	if (r < 0)
		return r;
	struct dir_image *image = image_new(guest);
	if (!image)
		return fault_errno(f, -ENOMEM, "open image %s", guest);
	r = mode == STORE_WRITE ? open_writer(image, store, f) : open_reader(image, store, at, f);
	if (r < 0) {
		dir_image_close(&image->base);
		return fault_wrap(f, "open image %s", guest);
	}
	*out = &image->base;
	return 0;
}

int dir_checkpoints(struct store_image *base, struct checkpoint_id **ids, size_t *count,
		    struct fault *f)
{
	struct dir_listing l;
	int r = dir_folder_list(dir_image_of(base)->folder, &l, f);

	*ids = NULL;
	*count = 0;
	if (r < 0)
		return fault_wrap(f, "list the checkpoints of %s", base->guest);
	*count = l.commit_count;
	*ids = give(l.commits);
	dir_listing_clear(&l);
	return 0;
}

void dir_object_name(struct store_image *base, uint64_t segment, char name[STORE_OBJECT_BYTES])
{
	struct dir_image *image = dir_image_of(base);
	char file[SEGMENT_NAME_BYTES];

	pthread_mutex_lock(&image->mutex);
	uint64_t generation = dir_table_get(&image->table, segment);
	pthread_mutex_unlock(&image->mutex);
	if (generation)
		dir_segment_name(segment, generation, file);
	else
		snprintf(file, sizeof(file), "seg-%" PRIu64 ", which is not there", segment);
	snprintf(name, STORE_OBJECT_BYTES, "%s/%s", base->guest, file);
}

static int read_file(int folder, uint64_t segment, uint64_t generation, size_t offset,
		     uint8_t *buffer, size_t bytes)
{
	char name[SEGMENT_NAME_BYTES];

	dir_segment_name(segment, generation, name);
	auto_fd int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EIO : -errno;
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pread(fd, buffer + done, bytes - done, (off_t)(offset + done));

		if (n == 0)
			return -EIO;
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int dir_read(struct store_image *base, uint64_t segment, size_t offset, void *buffer, size_t bytes,
	     struct fault *f)
{
	struct dir_image *image = dir_image_of(base);

	pthread_mutex_lock(&image->mutex);
	uint64_t generation = dir_table_get(&image->table, segment);
	pthread_mutex_unlock(&image->mutex);
	int r = generation ? read_file(image->folder, segment, generation, offset, buffer, bytes)
			   : -EIO;
	if (r < 0)
		return fault_errno(f, r,
				   "read %zu bytes at %zu of segment %" PRIu64
				   " of %s (file %" PRIu64 ")",
				   bytes, offset, segment, base->guest, generation);
	return 0;
}

/*
 * Locks all commits before the first goes, so that a reader, or one that is protected or held,
 * stops it before any harm. Nobody is kept from reading where the answer is known.
 */
static int lock_commits(int folder, const char *guest, const struct dir_listing *l, int *fds,
			struct fault *f)
{
	int r = dir_check_removable(folder, guest, l->commits, l->commit_count, f);

	for (size_t i = 0; r == 0 && i < l->commit_count; i++)
		r = dir_commit_lock(folder, l->commits[i], F_WRLCK, &fds[i], f);
	/* Once more: now neither a protection nor a hold can come in between. */
	return r < 0 ? r : dir_check_removable(folder, guest, l->commits, l->commit_count, f);
}

static int unlink_all(int folder, const struct dir_listing *l)
{
	char name[CHECKPOINT_NAME_BYTES], segment[SEGMENT_NAME_BYTES], marker[DIR_MARKER_BYTES];
	char hold[DIR_HOLD_BYTES];

	/* The newest last: half-way through, the last checkpoint still is the last one. */
	for (size_t i = 0; i < l->commit_count; i++) {
		checkpoint_name(l->commits[i], name);
		if (unlinkat(folder, name, 0) < 0)
			return -errno;
	}
	for (size_t i = 0; i < l->file_count; i++) {
		dir_segment_name(l->files[i].segment, l->files[i].generation, segment);
		if (unlinkat(folder, segment, 0) < 0)
			return -errno;
	}
	for (size_t i = 0; i < l->marker_count; i++) {
		dir_marker_name(l->markers[i], marker);
		unlinkat(folder, marker, 0);
	}
	for (size_t i = 0; i < l->hold_count; i++) {
		dir_hold_name(&l->holds[i], hold);
		unlinkat(folder, hold, 0);
	}
	unlinkat(folder, DIR_NEW_COMMIT, 0);
	return unlinkat(folder, "lock", 0) < 0 ? -errno : 0;
}

static int remove_locked(int folder, const char *guest, struct fault *f)
{
	struct dir_listing l;
	int r = dir_folder_list(folder, &l, f);

	if (r < 0)
		return r;
	int *fds = malloc((l.commit_count + 1) * sizeof(*fds));
	for (size_t i = 0; fds && i < l.commit_count; i++)
		fds[i] = -1;
	r = fds ? lock_commits(folder, guest, &l, fds, f)
		: fault_errno(f, -ENOMEM, "lock checkpoints");
	if (r == 0) {
		r = unlink_all(folder, &l);
		if (r < 0)
			fault_errno(f, r, "unlink its files");
	}
	for (size_t i = 0; fds && i < l.commit_count; i++)
		scope_close(&fds[i]);
	free(fds);
	dir_listing_clear(&l);
	return r;
}

int dir_image_remove(struct store *s, const char *guest, struct fault *f)
{
	int store = ((struct dir_store *)s)->fd;
	struct dir_writer_lock lock;
	int r = store_check_name(guest, f);

	if (r < 0)
		return r;
	r = dir_writer_lock(store, guest, false, &lock, f);
	if (r < 0)
		return fault_wrap(f, "remove image %s", guest);
	r = remove_locked(lock.folder, guest, f);
	dir_writer_unlock(&lock);
	if (r < 0)
		return fault_wrap(f, "remove image %s", guest);
	/* Not empty: someone else's files, or a new writer that came just now. Both may stay. */
	unlinkat(store, guest, AT_REMOVEDIR);
	return fsync(store) < 0 ? fault_errno(f, -errno, "remove image %s", guest) : 0;
}
