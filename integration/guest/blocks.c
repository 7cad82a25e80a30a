// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Blocks on a disk and in memory, and the kind of disk that is nothing but blocks. Whatever can
 * be read back from a cache of the guest proves nothing: all goes past them.
 *
 *	block: | magic | disk, version | block | words of (disk, version, block) …
 */
#include "diskcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_WORDS (BLOCK_BYTES / sizeof(uint64_t))
#define MAGIC 0x6b6365686b736964ULL

const char *disk_path(const struct disk *d)
{
	static _Thread_local char path[16];

	snprintf(path, sizeof(path), "/dev/vd%c", 'a' + (char)d->number);
	return path;
}

void disk_open(struct disk *d, const char *path, int flags)
{
	d->fd = open(path, O_RDWR | O_DIRECT | O_SYNC | O_CLOEXEC | flags, 0600);
	if (d->fd < 0)
		bad("%s cannot be opened: %s", path, strerror(errno));
}

static void block_fill(const struct disk *d, uint64_t block, uint64_t *words)
{
	uint32_t version = d->versions[block];

	words[0] = MAGIC;
	words[1] = (uint64_t)d->number << 32 | version;
	words[2] = block;
	for (uint64_t i = 3; i < BLOCK_WORDS; i++)
		words[i] = (words[1] ^ block * 0x9e3779b97f4a7c15ULL) + i * 0xc2b2ae3d27d4eb4fULL;
}

static unsigned char *block_memory(const struct disk *d, uint64_t block)
{
	return d->memory + block * BLOCK_BYTES;
}

/* where: whose words these are */
static void block_compare(const struct disk *d, const char *where, uint64_t block,
			  const void *found)
{
	uint64_t expected[BLOCK_WORDS], words[BLOCK_WORDS];
	uint32_t version = d->versions[block];

	block_fill(d, block, expected);
	if (!memcmp(found, expected, BLOCK_BYTES))
		return;
	memcpy(words, found, BLOCK_BYTES);
	if (words[0] == MAGIC && words[1] >> 32 == d->number && words[2] == block &&
	    (uint32_t)words[1] != version)
		bad("disk %u block %llu expected %u: %s %u, which is %s", d->number,
		    (unsigned long long)block, version, where, (uint32_t)words[1],
		    (uint32_t)words[1] > version ? "newer" : "older");
	for (uint64_t i = 0; i < BLOCK_WORDS; i++)
		if (words[i] != expected[i])
			bad("disk %u block %llu expected %u: %s %#llx as word %llu", d->number,
			    (unsigned long long)block, version, where, (unsigned long long)words[i],
			    (unsigned long long)i);
}

/* So many blocks from here. */
static void blocks_compare(struct disk *d, uint64_t block, uint64_t count)
{
	size_t bytes = count * BLOCK_BYTES;
	ssize_t n = pread(d->fd, d->read, bytes, (off_t)(block * BLOCK_BYTES));

	if (n != (ssize_t)bytes)
		bad("disk %u block %llu: %zd bytes of %zu could be read: %s", d->number,
		    (unsigned long long)block, n, bytes, n < 0 ? strerror(errno) : "it ends there");
	for (uint64_t i = 0; i < count; i++) {
		block_compare(d, "the disk has", block + i, d->read + i * BLOCK_BYTES);
		block_compare(d, "memory has", block + i, block_memory(d, block + i));
	}
}

/* So many blocks from here, as they are in memory. */
static void blocks_store(struct disk *d, uint64_t block, uint64_t count)
{
	size_t bytes = count * BLOCK_BYTES;
	ssize_t n = pwrite(d->fd, block_memory(d, block), bytes, (off_t)(block * BLOCK_BYTES));

	if (n != (ssize_t)bytes)
		bad("disk %u block %llu: %zd bytes of %zu could be written: %s", d->number,
		    (unsigned long long)block, n, bytes,
		    n < 0 ? strerror(errno) : "there is no room");
	d->writes += count;
}

static void block_renew(struct disk *d, uint64_t block)
{
	d->versions[block]++;
	block_fill(d, block, (uint64_t *)block_memory(d, block));
}

void block_write(struct disk *d, uint64_t block)
{
	block_renew(d, block);
	blocks_store(d, block, 1);
}

void block_verify(struct disk *d, uint64_t block)
{
	blocks_compare(d, block, 1);
}

static uint64_t chunk_at(const struct disk *d, uint64_t block)
{
	return d->used - block < CHUNK_BLOCKS ? d->used - block : CHUNK_BLOCKS;
}

void blocks_verify(struct disk *d)
{
	for (uint64_t block = 0; block < d->used; block += CHUNK_BLOCKS)
		blocks_compare(d, block, chunk_at(d, block));
}

static void whole_begin(struct disk *d)
{
	disk_open(d, disk_path(d), 0);
	d->used = d->blocks;
	for (uint64_t block = 0; block < d->used; block++)
		block_renew(d, block);
	for (uint64_t block = 0; block < d->used; block += CHUNK_BLOCKS)
		blocks_store(d, block, chunk_at(d, block));
}

/* Every second block in order, the others by chance. */
static uint64_t whole_pick(struct disk *d)
{
	if (d->writes % 2)
		return random_next(&d->random) % d->used;
	d->next = (d->next + 1) % d->used;
	return d->next;
}

static void whole_turn(struct disk *d)
{
	uint64_t block = whole_pick(d);

	block_verify(d, block);
	block_write(d, block);
}

/* The sum finds memory that is old as a whole, the table of versions included. */
static void whole_verify(struct disk *d)
{
	uint64_t sum = 0;

	blocks_verify(d);
	for (uint64_t block = 0; block < d->used; block++)
		sum += d->versions[block];
	if (sum != d->writes)
		bad("disk %u expected %llu: the versions of its blocks add up to %llu", d->number,
		    (unsigned long long)d->writes, (unsigned long long)sum);
}

const struct disk_kind blocks_kind = {
	.begin = whole_begin, .turn = whole_turn, .verify = whole_verify};
