/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the head. A few threads take writes from a queue; each makes a new file, makes
 * it durable at once (so that memory of the host does not fill with dirty pages, and an
 * error of the disk is the write's own) and only then shows it in the head.
 */
#include "dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

static void unlink_segment(struct dir_image *image, uint64_t segment, uint64_t generation)
{
	char name[SEGMENT_NAME_BYTES];

	dir_segment_name(segment, generation, name);
	unlinkat(image->folder, name, 0);
}

static int write_whole(int fd, const uint8_t *data, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pwrite(fd, data + done, bytes - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		done += n > 0 ? (size_t)n : 0;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int write_segment(struct dir_image *image, const struct store_write *w, uint64_t generation)
{
	char name[SEGMENT_NAME_BYTES];

	dir_segment_name(w->segment, generation, name);
	int fd = openat(image->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_whole(fd, w->data, w->bytes);
	/* NFS reports a full disk as late as here. */
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlinkat(image->folder, name, 0);
	return r;
}

/* Returns the generation that nobody needs any more, or 0. Called with the mutex held. */
static uint64_t show_in_head(struct dir_image *image, uint64_t segment, uint64_t generation)
{
	uint64_t *shown = &image->table.generations[segment];
	uint64_t loser = *shown;

	if (loser > generation) /* a later write to the same segment was faster */
		return generation;
	*shown = generation;
	return loser >= image->uncommitted_from ? loser : 0;
}

/* Called with the mutex held, which it gives up while it writes. */
static void write_one(struct dir_image *image, struct store_write *w)
{
	uint64_t generation = image->next_generation++;
	uint64_t segment = w->segment;
	uint64_t unneeded = 0;
	struct fault f;
	int r = dir_table_grow(&image->table, segment + 1, &f);

	pthread_mutex_unlock(&image->mutex);
	if (r == 0)
		r = write_segment(image, w, generation);
	pthread_mutex_lock(&image->mutex);
	if (r == 0)
		unneeded = show_in_head(image, segment, generation);
	pthread_mutex_unlock(&image->mutex);
	if (unneeded)
		unlink_segment(image, segment, unneeded);
	w->done(w, r);
	pthread_mutex_lock(&image->mutex);
	if (--image->under_way == 0)
		pthread_cond_broadcast(&image->idle);
}

static void *run_writer(void *argument)
{
	struct dir_image *image = argument;

	pthread_mutex_lock(&image->mutex);
	for (;;) {
		struct store_write *w = image->first;

		if (w) {
			image->first = w->next;
			if (!image->first)
				image->last = &image->first;
			write_one(image, w);
		} else if (image->closing) {
			break;
		} else {
			pthread_cond_wait(&image->work, &image->mutex);
		}
	}
	pthread_mutex_unlock(&image->mutex);
	return NULL;
}

int dir_writers_start(struct dir_image *image, struct fault *f)
{
	for (; image->thread_count < DIR_WRITERS; image->thread_count++) {
		int r = pthread_create(&image->threads[image->thread_count], NULL, run_writer,
				       image);
		if (r)
			return fault_errno(f, -r, "start a thread that writes");
	}
	return 0;
}

void dir_writers_stop(struct dir_image *image)
{
	pthread_mutex_lock(&image->mutex);
	image->closing = true;
	pthread_cond_broadcast(&image->work);
	pthread_mutex_unlock(&image->mutex);
	while (image->thread_count > 0)
		pthread_join(image->threads[--image->thread_count], NULL);
}

void dir_writers_drain(struct dir_image *image)
{
	pthread_mutex_lock(&image->mutex);
	while (image->under_way > 0)
		pthread_cond_wait(&image->idle, &image->mutex);
	pthread_mutex_unlock(&image->mutex);
}

void dir_write(struct store_image *base, struct store_write *w)
{
	struct dir_image *image = dir_image_of(base);

	assert(image->writable);
	if (w->bytes > STORE_SEGMENT_BYTES || w->segment >= DIR_SEGMENTS_MAX) {
		w->done(w, -EFBIG);
		return;
	}
	pthread_mutex_lock(&image->mutex);
	w->next = NULL;
	*image->last = w;
	image->last = &w->next;
	image->under_way++;
	pthread_cond_signal(&image->work);
	pthread_mutex_unlock(&image->mutex);
}

int dir_reserve(struct store_image *base, uint64_t segments, struct fault *f)
{
	struct dir_image *image = dir_image_of(base);

	assert(image->writable);
	pthread_mutex_lock(&image->mutex);
	int r = dir_table_grow(&image->table, segments, f);
	pthread_mutex_unlock(&image->mutex);
	return r < 0 ? fault_wrap(f, "make room in the image of %s", base->guest) : 0;
}

int dir_discard(struct store_image *base, uint64_t first, uint64_t count, struct fault *f)
{
	struct dir_image *image = dir_image_of(base);

	(void)f;
	assert(image->writable);
	pthread_mutex_lock(&image->mutex);
	uint64_t end = image->table.segments;
	if (first < end && count < end - first)
		end = first + count;
	for (uint64_t i = first; i < end; i++) {
		uint64_t generation = image->table.generations[i];

		image->table.generations[i] = 0;
		if (generation >= image->uncommitted_from)
			unlink_segment(image, i, generation);
	}
	pthread_mutex_unlock(&image->mutex);
	return 0;
}

int dir_flush(struct store_image *base, struct fault *f)
{
	struct dir_image *image = dir_image_of(base);

	assert(image->writable);
	dir_writers_drain(image);
	/* The files are durable already, their names are not. */
	if (fsync(image->folder) < 0)
		return fault_errno(f, -errno, "flush the image of %s", base->guest);
	return 0;
}
