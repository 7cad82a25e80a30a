/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names in a guest's folder, and reading its commits. Locks are in dir_lock.c. */
#include "dir_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TABLE_BYTES_MAX = DIR_SEGMENTS_MAX * 8 + 4096 };

static const char marker_end[] = ".protected";
static const char hold_start[] = ".held,";

void dir_segment_name(uint64_t segment, uint64_t generation, char name[SEGMENT_NAME_BYTES])
{
	snprintf(name, SEGMENT_NAME_BYTES, "seg-%" PRIu64 ".%" PRIu64, segment, generation);
}

static bool segment_parse(const char *name, struct dir_file *file)
{
	char again[SEGMENT_NAME_BYTES];

	*file = (struct dir_file){0};
	if (sscanf(name, "seg-%" SCNu64 ".%" SCNu64, &file->segment, &file->generation) != 2)
		return false;
	dir_segment_name(file->segment, file->generation, again);
	return !strcmp(name, again);
}

void dir_marker_name(struct checkpoint_id id, char name[DIR_MARKER_BYTES])
{
	char commit[CHECKPOINT_NAME_BYTES];

	checkpoint_name(id, commit);
	snprintf(name, DIR_MARKER_BYTES, "%s%s", commit, marker_end);
}

static bool marker_parse(const char *name, struct checkpoint_id *id)
{
	char commit[CHECKPOINT_NAME_BYTES];
	const char *dot = strrchr(name, '.');

	if (!dot || strcmp(dot, marker_end) != 0 || dot - name >= (ptrdiff_t)sizeof(commit))
		return false;
	snprintf(commit, sizeof(commit), "%.*s", (int)(dot - name), name);
	return checkpoint_parse(commit, id);
}

/* The name says it all, so that a hold is made at once or not at all. */
void dir_hold_name(const struct dir_hold *hold, char name[DIR_HOLD_BYTES])
{
	char commit[CHECKPOINT_NAME_BYTES], who[HOLDER_BYTES];

	checkpoint_name(hold->id, commit);
	holder_encode(&hold->holder, who);
	for (char *space = who; (space = strchr(space, ' '));)
		*space = ',';
	snprintf(name, DIR_HOLD_BYTES, "%s%s%s", commit, hold_start, who);
}

static bool hold_parse(const char *name, struct dir_hold *hold)
{
	char commit[CHECKPOINT_NAME_BYTES], who[HOLDER_BYTES];
	const char *start = strstr(name, hold_start);

	if (!start || start - name >= (ptrdiff_t)sizeof(commit))
		return false;
	snprintf(commit, sizeof(commit), "%.*s", (int)(start - name), name);
	snprintf(who, sizeof(who), "%s", start + strlen(hold_start));
	for (char *comma = who; (comma = strchr(comma, ','));)
		*comma = ' ';
	return checkpoint_parse(commit, &hold->id) &&
	       holder_decode(&hold->holder, who, strlen(who));
}

/* Room for one more in an array that doubles: `count` is what it holds. */
static void *array_grow(void *array, size_t count, size_t item_bytes)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? 2 * count : 1, item_bytes);
}

static int add_id(struct checkpoint_id **ids, size_t *count, struct checkpoint_id id)
{
	void *grown = array_grow(*ids, *count, sizeof(id));

	if (!grown)
		return -ENOMEM;
	*ids = grown;
	(*ids)[(*count)++] = id;
	return 0;
}

static int add_hold(struct dir_listing *l, const struct dir_hold *hold)
{
	void *grown = array_grow(l->holds, l->hold_count, sizeof(*hold));

	if (!grown)
		return -ENOMEM;
	l->holds = grown;
	l->holds[l->hold_count++] = *hold;
	return 0;
}

static int add_name(struct dir_listing *l, const char *name)
{
	struct checkpoint_id id;
	struct dir_hold hold;
	struct dir_file file;

	if (checkpoint_parse(name, &id))
		return add_id(&l->commits, &l->commit_count, id);
	if (marker_parse(name, &id))
		return add_id(&l->markers, &l->marker_count, id);
	if (hold_parse(name, &hold))
		return add_hold(l, &hold);
	if (segment_parse(name, &file)) {
		void *grown = array_grow(l->files, l->file_count, sizeof(file));

		if (!grown)
			return -ENOMEM;
		l->files = grown;
		l->files[l->file_count++] = file;
	}
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct dir_file *left = a, *right = b;

	return (left->generation > right->generation) - (left->generation < right->generation);
}

static int read_names(DIR *names, struct dir_listing *l)
{
	struct dirent *entry;
	int r = 0;

	errno = 0;
	while (r == 0 && (entry = readdir(names))) {
		r = add_name(l, entry->d_name);
		errno = 0;
	}
	return r < 0 ? r : -errno;
}

int dir_folder_list(int folder, struct dir_listing *l, struct fault *f)
{
	*l = (struct dir_listing){0};
	/* Opened anew: a second reader of the same fd would share its position. */
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	if (!names)
		return fault_errno(f, -errno, "open the guest's folder");
	int r = read_names(names, l);
	closedir(names);
	if (r < 0) {
		dir_listing_clear(l);
		return fault_errno(f, r, "list the guest's folder");
	}
	if (l->commit_count)
		qsort(l->commits, l->commit_count, sizeof(*l->commits), checkpoint_compare);
	if (l->file_count)
		qsort(l->files, l->file_count, sizeof(*l->files), compare_files);
	return 0;
}

void dir_listing_clear(struct dir_listing *l)
{
	free(l->commits);
	free(l->files);
	free(l->markers);
	free(l->holds);
	*l = (struct dir_listing){0};
}

static int read_whole(int fd, uint8_t *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = pread(fd, bytes + done, length - done, (off_t)done);

		if (n == 0)
			return -EBADMSG;
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int dir_commit_read(int fd, struct dir_table *t, struct fault *f)
{
	struct stat st;

	*t = (struct dir_table){0};
	if (fstat(fd, &st) < 0)
		return fault_errno(f, -errno, "read the table of segments");
	if (st.st_size > TABLE_BYTES_MAX)
		return fault_set(f, -EBADMSG, "the table of segments is too long");
	auto_free uint8_t *bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return fault_errno(f, -ENOMEM, "read the table of segments");
	int r = read_whole(fd, bytes, (size_t)st.st_size);
	if (r < 0)
		return fault_errno(f, r, "read the table of segments");
	return dir_table_decode(t, bytes, (size_t)st.st_size, f);
}
