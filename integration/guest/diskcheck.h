// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A disk that is held against memory; see diskcheck.c. Each disk has a thread of its own, which
 * alone touches what is not atomic here.
 */
#pragma once

#include "judge.h"

#include <pthread.h>
#include <stdint.h>

#define BLOCK_BYTES 4096
/* One request of the first writing and of a full pass. */
#define CHUNK_BLOCKS 256ULL

struct disk;

/* What is written: blocks.c the whole disk, records.c a file in a file system. */
struct disk_kind {
	/* Opens d->fd and writes what is to be there at first. */
	void (*begin)(struct disk *d);
	/* Verifies a little and writes a little. */
	void (*turn)(struct disk *d);
	/* Verifies everything. */
	void (*verify)(struct disk *d);
};

extern const struct disk_kind blocks_kind;
extern const struct disk_kind records_kind;

struct disk {
	const struct disk_kind *kind;
	pthread_t thread;
	unsigned int number; /* 0 is /dev/vda */
	int fd;
	uint64_t blocks;       /* that it has at most */
	uint64_t used;	       /* those below are written */
	uint64_t next;	       /* of those taken in order: block or head */
	uint64_t random;       /* of the others */
	uint32_t *versions;    /* what each block must hold */
	unsigned char *memory; /* all blocks again, as they were written last */
	unsigned char *read;   /* one chunk of the disk */
	struct turns turns;
	_Atomic uint64_t writes;
	_Atomic uint64_t verified; /* the last full pass done */
};

/* "/dev/vda" and so on; into a buffer of the caller's thread. */
const char *disk_path(const struct disk *d);

/* Opens path past all caches: a write is on the disk when it returns, a read comes from there. */
void disk_open(struct disk *d, const char *path, int flags);

/* The next version of a block, in memory and on the disk. */
void block_write(struct disk *d, uint64_t block);

/* What the disk and memory hold there is what was written last. */
void block_verify(struct disk *d, uint64_t block);

/* The same for all that are in use. */
void blocks_verify(struct disk *d);
