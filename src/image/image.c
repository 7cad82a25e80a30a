/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a checkpoint. Pages are packed into a data segment in the order in which they come,
 * and where each is and its fingerprint into an index block beside it:
 *
 *	page --copy--> data buffer  --full--> put()   straight to the segment it will live in
 *	  '--hash----> index buffer --full--> put()
 *
 * So nothing is kept in memory for a page that has passed by. Segments are taken lowest first
 * from those that the committed checkpoint in the head does not need.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "image/blocks.h"
#include "image/manifest.h"
#include "image/segments.h"

struct open_segment {
	uint8_t *bytes; /* NULL: none taken */
	uint64_t segment;
	uint32_t filled; /* pages or entries */
};

struct image {
	struct store_image *store;
	struct superblock head;	 /* of the checkpoint in the head; id.number 0: none */
	struct segment_map live; /* what it needs */
	uint64_t reserved;	 /* segments that there is room for */
	bool head_unsure;	 /* a commit failed: the head's superblock may be the next one's */

	/* the checkpoint being written */
	struct segment_map taken; /* and live */
	struct manifest next;
	struct image_buffers *buffers;
	uint32_t slots; /* pages in a segment */
	struct open_segment data;
	struct open_segment index;
	uint32_t index_blocks;
};

enum {
	OTHER_SEGMENTS_MAX = 160,      /* devices (512 MiB at most), manifest */
	EXPECTED_ROM_BYTES = 64 << 20, /* video memory, firmware: what is not counted as RAM */
};

struct store_image *image_store(struct image *image)
{
	return image->store;
}

static void drop_next(struct image *image)
{
	manifest_clear(&image->next);
	segment_map_clear(&image->taken);
	image->data = image->index = (struct open_segment){0};
	image->index_blocks = 0;
}

void image_close(struct image *image)
{
	if (!image)
		return;
	drop_next(image);
	segment_map_clear(&image->live);
	store_image_close(image->store);
	free(image);
}

static int new_secret(struct image *image, struct fault *f)
{
	image->head = (struct superblock){.id.epoch = 1};
	if (getrandom(image->head.secret, SECRET_BYTES, 0) != SECRET_BYTES)
		return fault_errno(f, -EIO, "make a secret for the image of %s",
				   image->store->guest);
	return 0;
}

/* What the checkpoint in the head needs must not be overwritten. */
static int mark_live(struct segment_map *map, const struct manifest *m, uint64_t manifest_segment,
		     struct fault *f)
{
	map->next = 1;
	int r = segment_map_use(map, 0, f);
	if (!r)
		r = segment_map_use(map, manifest_segment, f);
	if (!r)
		r = segment_map_use_list(map, &m->data, f);
	if (!r)
		r = segment_map_use_list(map, &m->index.segments, f);
	for (size_t i = 0; !r && i < m->delta_count; i++)
		r = segment_map_use_list(map, &m->deltas[i].segments, f);
	if (!r)
		r = segment_map_use_list(map, &m->devices, f);
	return r;
}

static int load_head(struct image *image, struct fault *f)
{
	struct manifest m = {0};
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_checkpoints(image->store, &ids, &count, f);

	if (r < 0)
		return r;
	r = superblock_read(image->store, &image->head, f);
	if (r < 0 && !count)
		return new_secret(image, f); /* a new image, or nothing in it was ever committed */
	if (!r)
		r = manifest_read(image->store, &image->head, &m, f);
	if (!r)
		r = mark_live(&image->live, &m, image->head.manifest_segment, f);
	manifest_clear(&m);
	if (!r && count && image->head.id.number < ids[count - 1].number)
		image->head.id = ids[count - 1];
	return r;
}

int image_open(struct store *s, const char *guest, struct image **image, struct fault *f)
{
	auto_of(image_close) struct image *i = calloc(1, sizeof(*i));

	if (!i)
		return fault_errno(f, -ENOMEM, "open the image of %s", guest);
	if (store_image_open(s, guest, STORE_WRITE, NULL, &i->store, f) < 0)
		return f->code;
	if (load_head(i, f) < 0)
		return fault_wrap(f, "open the image of %s in %s", guest, s->uri);
	*image = give(i);
	return 0;
}

static int reserve(struct image *image, uint64_t data_segments, uint64_t pages, struct fault *f)
{
	uint64_t segments = segment_map_end(&image->live) + data_segments +
			    pages / BLOCK_ENTRIES_MAX + OTHER_SEGMENTS_MAX;

	if (segments <= image->reserved)
		return 0;
	int r = store_reserve(image->store, segments, f);
	if (!r)
		image->reserved = segments;
	return r;
}

int image_expect(struct image *image, uint64_t ram_bytes, struct fault *f)
{
	uint64_t bytes = ram_bytes + EXPECTED_ROM_BYTES;

	/* The page size is not known yet: 4096 is the smallest in use. */
	return reserve(image, bytes / STORE_SEGMENT_BYTES + 1, bytes / 4096, f);
}

int image_begin(struct image *image, const struct ram_layout *l, struct image_buffers *b,
		struct fault *f)
{
	struct manifest *m = &image->next;

	drop_next(image);
	if (image->head_unsure)
		return fault_set(f, -ESTALE, "a commit failed before: open the image again");
	image->buffers = b;
	image->slots = STORE_SEGMENT_BYTES / l->page_bytes;
	snprintf(m->guest, sizeof(m->guest), "%s", image->store->guest);
	m->id = (struct checkpoint_id){image->head.id.epoch, image->head.id.number + 1};
	int r = layout_copy(&m->layout, l, f);
	if (!r)
		r = segment_map_copy(&image->taken, &image->live, f);
	image->taken.next = 1;
	m->index.checkpoint = m->id.number;
	if (!r)
		r = reserve(image, l->pages / image->slots + 1, l->pages, f);
	return r;
}

/* Makes sure that `s` has a buffer and a segment to go to, which `list` will name. */
static int open_segment(struct image *image, struct open_segment *s, struct segment_list *list,
			struct fault *f)
{
	if (s->bytes)
		return 0;
	int r = segment_map_take(&image->taken, &s->segment, f);
	if (!r)
		r = segment_list_add(list, s->segment, f);
	if (r < 0)
		return r;
	s->bytes = image->buffers->ops->take(image->buffers);
	if (!s->bytes)
		return fault_set(f, -ECANCELED, "no buffer for segment %" PRIu64, s->segment);
	s->filled = 0;
	return 0;
}

static void put_segment(struct image *image, struct open_segment *s, size_t bytes)
{
	image->next.bytes_written += bytes;
	image->buffers->ops->put(image->buffers, s->segment, s->bytes, bytes);
	*s = (struct open_segment){0};
}

static void put_data(struct image *image)
{
	put_segment(image, &image->data,
		    (size_t)image->data.filled * image->next.layout.page_bytes);
}

static void put_block(struct image *image, struct open_segment *s, struct block b)
{
	b.checkpoint = image->next.id.number;
	block_seal(&b, s->bytes);
	put_segment(image, s, BLOCK_HEADER_BYTES + b.payload_bytes);
}

static void put_index(struct image *image)
{
	put_block(image, &image->index,
		  (struct block){.kind = BLOCK_INDEX,
				 .place = image->index_blocks++,
				 .payload_bytes = image->index.filled * ENTRY_BYTES});
}

static int add_entry(struct image *image, const struct page_entry *e, struct fault *f)
{
	struct open_segment *s = &image->index;
	int r = open_segment(image, s, &image->next.index.segments, f);

	if (r < 0)
		return r;
	page_entry_encode(e, s->bytes + BLOCK_HEADER_BYTES + s->filled * ENTRY_BYTES);
	if (++s->filled == BLOCK_ENTRIES_MAX)
		put_index(image);
	return 0;
}

int image_add_page(struct image *image, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct open_segment *s = &image->data;
	size_t page_bytes = image->next.layout.page_bytes;

	if (!data) {
		image->next.pages_zero++;
		return 0;
	}
	int r = open_segment(image, s, &image->next.data, f);
	if (r < 0)
		return r;
	if (s->segment >= UINT32_MAX / image->slots)
		return fault_set(f, -EFBIG,
				 "segment %" PRIu64 ": the image is too large for pages of %zu "
				 "bytes",
				 s->segment, page_bytes);
	struct page_entry entry = {page, s->segment * image->slots + s->filled, {0}};
	memcpy(s->bytes + s->filled * page_bytes, data, page_bytes);
	page_hash(image->head.secret, data, page_bytes, entry.hash);
	image->next.pages_written++;
	if (++s->filled == image->slots)
		put_data(image);
	return add_entry(image, &entry, f);
}

static int put_devices(struct image *image, const uint8_t *devices, size_t bytes, struct fault *f)
{
	image->next.device_bytes = bytes;
	for (uint32_t place = 0; bytes; place++) {
		size_t n = bytes < BLOCK_PAYLOAD_MAX ? bytes : BLOCK_PAYLOAD_MAX;
		struct open_segment s = {0};
		int r = open_segment(image, &s, &image->next.devices, f);

		if (r < 0)
			return r;
		memcpy(s.bytes + BLOCK_HEADER_BYTES, devices, n);
		put_block(image, &s, (struct block){BLOCK_DEVICES, 0, place, n});
		devices += n;
		bytes -= n;
	}
	return 0;
}

int image_end(struct image *image, const uint8_t *devices, size_t bytes, struct fault *f)
{
	if (image->data.bytes)
		put_data(image);
	if (image->index.bytes)
		put_index(image);
	return put_devices(image, devices, bytes, f);
}

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

/* Gives back the segments that `map` does not name. */
static int trim(struct image *image, const struct segment_map *map, struct fault *f)
{
	struct segment_range range = {1, 0};

	do {
		range = segment_map_free_range(map, range.first + range.count);
		int r = store_discard(image->store, range.first, range.count, f);

		if (r < 0)
			return r;
	} while (range.first + range.count != UINT64_MAX);
	return 0;
}

int image_drop(struct image *image, struct fault *f)
{
	drop_next(image);
	/* The head must stay what its superblock says; the next opening finds out which that is. */
	if (image->head_unsure)
		return 0;
	return trim(image, &image->live, f);
}

/* Makes the head the next checkpoint's, and frees what only the one before needed. */
static int become_head(struct image *image, const struct superblock *next, struct fault *f)
{
	struct segment_map live = {0};
	int r = mark_live(&live, &image->next, next->manifest_segment, f);

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

int image_commit(struct image *image, const struct checkpoint_facts *facts,
		 const struct manifest **m, struct fault *f)
{
	struct manifest *next = &image->next;
	struct superblock superblock = image->head;

	next->time_ms = facts->time_ms;
	next->pause_us = facts->pause_us;
	snprintf(next->qemu_version, sizeof(next->qemu_version), "%s", facts->qemu_version);
	int r = write_manifest(image, &superblock, f);
	if (!r)
		r = store_flush(image->store, f);
	if (!r)
		r = become_head(image, &superblock, f);
	if (!r)
		r = store_commit(image->store, superblock.id, f);
	if (r < 0)
		return fault_wrap(f, "commit checkpoint %" PRIu64 " of %s", next->id.number,
				  next->guest);
	image->head_unsure = false;
	if (m)
		*m = next;
	return 0;
}
