/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a checkpoint. At any moment the head is what its superblock says: all segments are
 * written and flushed before the superblock names them, and what only the last checkpoint needed
 * is given back after that. The store's commit freezes the result.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/blocks.h"
#include "image/manifest.h"
#include "image/writer.h"

static int write_manifest(struct image *image, struct superblock *next, struct fault *f)
{
	struct manifest *m = &image->next;
	uint64_t segment = 0;
	auto_free char *text = NULL;
	size_t length = 0;
	int r = segment_map_take(&image->taken, &segment, f);

	if (!r)
		r = manifest_encode(m, &text, &length, f);
	if (r)
		return r;
	if (length > BLOCK_PAYLOAD_MAX)
		return fault_set(f, -EFBIG, "a manifest of %zu bytes", length);
	auto_free uint8_t *bytes = malloc(BLOCK_HEADER_BYTES + length);
	if (!bytes)
		return fault_errno(f, -ENOMEM, "write the manifest");
	memcpy(bytes + BLOCK_HEADER_BYTES, text, length);
	block_seal(&(struct block){BLOCK_MANIFEST, m->id.number, 0, length}, bytes);
	next->id = m->id;
	next->manifest_segment = segment;
	next->manifest_bytes = BLOCK_HEADER_BYTES + length;
	return segment_write(image->store, segment, bytes, next->manifest_bytes, f);
}

static int trim_all(struct image *image, const struct segment_map *keep, struct fault *f)
{
	struct segment_range range = {1, 0};

	do {
		range = segment_map_free_range(keep, range.first + range.count);
		int r = store_discard(image->store, range.first, range.count, f);

		if (r < 0)
			return r;
	} while (range.first + range.count != UINT64_MAX);
	return 0;
}

static int trim_taken(struct image *image, const struct segment_map *keep, struct fault *f)
{
	const struct segment_map *taken = &image->taken;
	uint64_t end = segment_map_end(taken);

	for (uint64_t at = 1; at < end; at++) {
		uint64_t count = 0;

		while (segment_map_has(taken, at + count) && !segment_map_has(keep, at + count))
			count++;
		int r = count ? store_discard(image->store, at, count, f) : 0;
		if (r < 0)
			return r;
		at += count;
	}
	return 0;
}

/*
 * Gives back the segments that `keep` does not name. What a writer before this one left is given
 * back once, after that there is nothing but what was taken here.
 */
static int trim(struct image *image, const struct segment_map *keep, struct fault *f)
{
	int r = image->trimmed ? trim_taken(image, keep, f) : trim_all(image, keep, f);

	image->trimmed = image->trimmed || !r;
	return r;
}

int image_drop(struct image *image, struct fault *f)
{
	/* The head must stay what its superblock says; the next opening finds out which that is. */
	int r = image->head_unsure ? 0 : trim(image, &image->live, f);

	image_forget_next(image);
	return r;
}

/* Makes the head the next checkpoint's, and frees what only the one before needed. */
static int become_head(struct image *image, const struct superblock *next, struct fault *f)
{
	struct segment_map live = {0};
	int r = image_mark_live(&live, &image->next, next->manifest_segment, f);

	if (!r) {
		image->head_unsure = true;
		r = superblock_write(image->store, next, f);
	}
	if (!r)
		r = store_flush(image->store, f);
	if (!r)
		r = trim(image, &live, f);
	if (r < 0) {
		segment_map_clear(&live);
		return r;
	}
	segment_map_clear(&image->live);
	image->live = live;
	image->head = *next;
	return 0;
}

/* The next checkpoint is the one to compare with. */
static const struct manifest *become_base(struct image *image)
{
	manifest_clear(&image->base);
	image->base = image->next;
	image->next = (struct manifest){0};
	image_forget_next(image);
	image->damage.code = 0;
	image->head_unsure = false;
	image->spoilt = false;
	return &image->base;
}

static int note_disks(struct manifest *m, const struct checkpoint_facts *facts, struct fault *f)
{
	size_t count = facts->disks ? facts->disks->count : 0;

	m->disks.disks = count ? calloc(count, sizeof(*m->disks.disks)) : NULL;
	m->xml = facts->xml ? strdup(facts->xml) : NULL;
	if ((count && !m->disks.disks) || (facts->xml && !m->xml))
		return fault_errno(f, -ENOMEM, "write the manifest");
	if (count)
		memcpy(m->disks.disks, facts->disks->disks, count * sizeof(*m->disks.disks));
	m->disks.count = count;
	return 0;
}

int image_commit(struct image *image, const struct checkpoint_facts *facts,
		 const struct manifest **m, struct fault *f)
{
	struct manifest *next = &image->next;
	struct superblock superblock = image->head;

	next->time_ms = facts->time_ms;
	next->pause_us = facts->pause_us;
	next->pause = facts->pause;
	snprintf(next->qemu_version, sizeof(next->qemu_version), "%s", facts->qemu_version);
	int r = note_disks(next, facts, f);
	if (!r)
		r = write_manifest(image, &superblock, f);
	if (!r)
		r = store_flush(image->store, f);
	if (!r)
		r = become_head(image, &superblock, f);
	if (!r)
		r = store_commit(image->store, superblock.id, f);
	if (r < 0)
		return fault_wrap(f, "commit checkpoint %" PRIu64 " of %s", next->id.number,
				  next->guest);
	const struct manifest *base = become_base(image);
	if (m)
		*m = base;
	return 0;
}

int image_delete(struct image *image, uint64_t number, struct fault *f)
{
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_checkpoints(image->store, &ids, &count, f);

	for (size_t i = 0; !r && i < count; i++)
		if (ids[i].number == number)
			return store_remove(image->store, ids[i], f);
	return r < 0 ? r
		     : fault_set(f, -ENOENT, "%s has no checkpoint %" PRIu64, image->store->guest,
				 number);
}
