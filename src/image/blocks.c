/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/blocks.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "image/manifest.h"

struct waited_write {
	struct store_write write;
	pthread_mutex_t lock; /* guards the two below */
	pthread_cond_t changed;
	bool done;
	int result;
};

static void waited_done(struct store_write *w, int result)
{
	struct waited_write *waited = (struct waited_write *)w;

	pthread_mutex_lock(&waited->lock);
	waited->done = true;
	waited->result = result;
	pthread_cond_signal(&waited->changed);
	pthread_mutex_unlock(&waited->lock);
}

int segment_write(struct store_image *s, uint64_t segment, const void *data, size_t bytes,
		  struct fault *f)
{
	struct waited_write w = {
		.write = {.segment = segment, .data = data, .bytes = bytes, .done = waited_done},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};

	store_write(s, &w.write);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.changed, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (w.result < 0)
		return store_write_fault(s, segment, w.result, f);
	return 0;
}

int fault_in_segment(struct fault *f, struct store_image *s, uint64_t segment)
{
	char object[STORE_OBJECT_BYTES];

	store_object_name(s, segment, object);
	return fault_wrap(f, "segment %" PRIu64 " (%s)", segment, object);
}

int superblock_write(struct store_image *s, const struct superblock *b, struct fault *f)
{
	uint8_t bytes[SUPERBLOCK_BYTES];

	superblock_encode(b, bytes);
	return segment_write(s, 0, bytes, sizeof(bytes), f);
}

int superblock_read(struct store_image *s, struct superblock *b, struct fault *f)
{
	uint8_t bytes[SUPERBLOCK_BYTES];
	int r = store_read(s, 0, 0, bytes, sizeof(bytes), f);

	if (!r)
		r = superblock_decode(b, bytes, sizeof(bytes), f);
	return r < 0 ? fault_in_segment(f, s, 0) : 0;
}

static int read_block(struct store_image *s, uint64_t segment, struct block *b, uint8_t **bytes,
		      struct fault *f)
{
	uint8_t header[BLOCK_HEADER_BYTES];
	int r = store_read(s, segment, 0, header, sizeof(header), f);

	if (r < 0)
		return r;
	size_t length = BLOCK_HEADER_BYTES + (size_t)block_payload_bytes(header);
	if (length > STORE_SEGMENT_BYTES)
		return fault_set(f, -EBADMSG, "a block of %zu bytes", length);
	auto_free uint8_t *block = malloc(length);
	if (!block)
		return fault_errno(f, -ENOMEM, "read a block");
	r = store_read(s, segment, 0, block, length, f);
	if (!r)
		r = block_open(b, block, length, f);
	if (!r)
		*bytes = give(block);
	return r;
}

int block_read(struct store_image *s, uint64_t segment, struct block *b, uint8_t **bytes,
	       struct fault *f)
{
	return read_block(s, segment, b, bytes, f) < 0 ? fault_in_segment(f, s, segment) : 0;
}

int manifest_read(struct store_image *s, const struct superblock *b, struct manifest *m,
		  struct fault *f)
{
	struct block block = {.kind = BLOCK_MANIFEST, .checkpoint = b->id.number};
	auto_free uint8_t *bytes = NULL;
	int r = block_read(s, b->manifest_segment, &block, &bytes, f);

	if (r < 0)
		return fault_wrap(f, "manifest of checkpoint %" PRIu64 " of %s", b->id.number,
				  s->guest);
	return manifest_decode(m, (char *)bytes + BLOCK_HEADER_BYTES, block.payload_bytes, f);
}
