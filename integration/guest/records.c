// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A file on a disk with ext4, which must have been made before: records are appended, and with
 * each one of the heads before them gets its next version, one after the other.
 *
 *	file: | head | head | … | record | record | …     full: cut behind the heads
 *
 * The heads tell a file that is newer or older as a whole. One would not do: the write under way
 * when the guest was stopped is done once more after a restore and hides what was newer there.
 * Whether the file system around it is in good order is for fsck to say, from outside. Every
 * write goes through the journal (O_SYNC).
 */
#include "diskcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADS 16

static void records_begin(struct disk *d)
{
	char path[32];

	snprintf(path, sizeof(path), "/disk%u", d->number);
	if (mkdir(path, 0700) || mount(disk_path(d), path, "ext4", 0, NULL))
		bad("%s cannot be mounted: %s", disk_path(d), strerror(errno));
	snprintf(path, sizeof(path), "/disk%u/records", d->number);
	disk_open(d, path, O_CREAT | O_TRUNC);
	for (d->used = 0; d->used < HEADS; d->used++)
		block_write(d, d->used);
}

static void records_cut(struct disk *d)
{
	if (ftruncate(d->fd, (off_t)HEADS * BLOCK_BYTES) || fsync(d->fd))
		bad("the records of disk %u cannot be cut: %s", d->number, strerror(errno));
	d->used = HEADS;
}

static void records_turn(struct disk *d)
{
	d->next = (d->next + 1) % HEADS;
	block_verify(d, d->next);
	block_verify(d, d->used - 1);
	if (d->used == d->blocks)
		records_cut(d);
	block_write(d, d->used);
	d->used++;
	block_write(d, d->next);
}

/* The file's size, as the guest knows it, must agree as well. */
static void records_verify(struct disk *d)
{
	struct stat st;

	blocks_verify(d);
	if (fstat(d->fd, &st) || (uint64_t)st.st_size != d->used * BLOCK_BYTES)
		bad("the records of disk %u expected %llu: the file has %lld bytes", d->number,
		    (unsigned long long)d->used, (long long)st.st_size);
}

const struct disk_kind records_kind = {
	.begin = records_begin, .turn = records_turn, .verify = records_verify};
