/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_BYTES = 21, TEXT_MAX = 1 << 20 };

#define UNFINISHED "unfinished"

struct queue {
	int folder;
	char path[512];
	uint64_t first, next; /* numbers; some between them may be missing */
	uint64_t count;
	uint64_t bytes, limit;
	uint64_t dropped;
};

static const char *name_of(uint64_t number, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%020" PRIu64, number);
	return name;
}

static bool is_number(const char *name, uint64_t *number)
{
	char *end;

	*number = strtoull(name, &end, 10);
	return strlen(name) == NAME_BYTES - 1 && strspn(name, "0123456789") == NAME_BYTES - 1 &&
	       *number < UINT64_MAX / 2;
}

static uint64_t bytes_on_disk(uint64_t bytes)
{
	return (bytes + QUEUE_FILE_BYTES - 1) / QUEUE_FILE_BYTES * QUEUE_FILE_BYTES;
}

static void find_one(struct queue *q, const char *name)
{
	struct stat st;
	uint64_t number;

	if (!is_number(name, &number) || fstatat(q->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!q->count || number < q->first)
		q->first = number;
	if (number >= q->next)
		q->next = number + 1;
	q->bytes += bytes_on_disk(st.st_size);
	q->count++;
}

static int find_all(struct queue *q, struct fault *f)
{
	int fd = fcntl(q->folder, F_DUPFD_CLOEXEC, 0);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return fault_errno(f, r, "list %s", q->path);
	}
	while ((entry = readdir(folder)))
		find_one(q, entry->d_name);
	closedir(folder);
	return 0;
}

int queue_open(const char *path, uint64_t limit_bytes, struct queue **out, struct fault *f)
{
	auto_of(queue_close) struct queue *q = calloc(1, sizeof(*q));

	*out = NULL;
	if (!q)
		return fault_errno(f, -ENOMEM, "open %s", path);
	*q = (struct queue){.folder = -1, .limit = limit_bytes, .first = 1, .next = 1};
	if (strlen(path) >= sizeof(q->path))
		return fault_set(f, -EINVAL, "%s is too long for a folder of events", path);
	memcpy(q->path, path, strlen(path) + 1);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fault_errno(f, -errno, "make %s for events that wait", path);
	q->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->folder < 0)
		return fault_errno(f, -errno, "open %s, where events wait", path);
	int r = find_all(q, f);
	if (r < 0)
		return r;
	*out = give(q);
	return 0;
}

void queue_close(struct queue *q)
{
	if (!q)
		return;
	if (q->folder >= 0)
		close(q->folder);
	free(q);
}

/* Removes the oldest; false: it was not there. */
static bool remove_first(struct queue *q)
{
	char name[NAME_BYTES];
	struct stat st;

	name_of(q->first, name);
	q->first++;
	if (fstatat(q->folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	unlinkat(q->folder, name, 0);
	q->bytes -= bytes_on_disk(st.st_size);
	q->count--;
	return true;
}

static int write_all(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, text, bytes);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		bytes -= n > 0 ? n : 0;
	}
	return 0;
}

/* The newline at its end says that it is whole. */
static int write_file(struct queue *q, const char *name, const char *text)
{
	auto_fd int fd =
		openat(q->folder, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int r = write_all(fd, text, strlen(text));
	if (!r)
		r = write_all(fd, "\n", 1);
	if (!r && renameat(q->folder, UNFINISHED, q->folder, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(q->folder, UNFINISHED, 0);
	return r;
}

int queue_push(struct queue *q, const char *text, struct fault *f)
{
	const uint64_t bytes = bytes_on_disk(strlen(text) + 1);
	char name[NAME_BYTES];

	while (q->count && q->bytes + bytes > q->limit)
		if (remove_first(q))
			q->dropped++;
	int r = write_file(q, name_of(q->next, name), text);
	if (r < 0) {
		q->dropped++;
		return fault_errno(f, r, "keep an event in %s", q->path);
	}
	if (!q->count)
		q->first = q->next;
	q->next++;
	q->bytes += bytes;
	q->count++;
	return 0;
}

/* NULL: it cannot be read, or is damaged. */
static char *read_file(struct queue *q, const char *name)
{
	auto_fd int fd = openat(q->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < 1 || st.st_size > TEXT_MAX)
		return NULL;
	auto_free char *text = malloc(st.st_size + 1);
	if (!text || read(fd, text, st.st_size) != st.st_size)
		return NULL;
	text[st.st_size] = 0;
	if (text[st.st_size - 1] != '\n' || strlen(text) < (size_t)st.st_size)
		return NULL;
	text[st.st_size - 1] = 0;
	return give(text);
}

char *queue_front(struct queue *q, uint64_t *number)
{
	char name[NAME_BYTES];

	while (q->count) {
		char *text = read_file(q, name_of(q->first, name));

		*number = q->first;
		if (text)
			return text;
		if (remove_first(q))
			q->dropped++;
		else if (q->first == q->next) /* somebody has emptied the folder */
			q->count = q->bytes = 0;
	}
	return NULL;
}

void queue_remove(struct queue *q, uint64_t number)
{
	if (number < q->first)
		q->dropped -= q->dropped > 0;
	else if (number == q->first)
		remove_first(q);
}

uint64_t queue_waiting(const struct queue *q)
{
	return q->count;
}

uint64_t queue_dropped(const struct queue *q)
{
	return q->dropped;
}
