/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads everything of a checkpoint back. Superblock and manifest were checked when it was opened;
 * without a whole index pages cannot be judged.
 */
#include <errno.h>
#include <string.h>

#include "image/blocks.h"
#include "image/checkpoint.h"

enum { PAGES_A_REPORT = 4096 };

struct verifying {
	struct checkpoint *c;
	int (*each)(void *context, const struct damage *d);
	void *context;
	struct verify_figures *figures;
};

static int report(struct verifying *v, struct damage *d, struct fault *f)
{
	v->figures->damaged++;
	store_object_name(v->c->store, d->segment, d->object);
	d->fault = f;
	int r = v->each(v->context, d);
	return r < 0 ? fault_errno(f, r, "verify") : 0;
}

static int verify_block(struct verifying *v, const char *what, uint64_t segment, struct block *b,
			struct fault *f)
{
	auto_free uint8_t *bytes = NULL;
	int r = block_read(v->c->store, segment, b, &bytes, f);

	if (is_damage(r))
		return report(v, &(struct damage){.what = what, .segment = segment}, f);
	v->figures->bytes_read += BLOCK_HEADER_BYTES + b->payload_bytes;
	return r;
}

static int verify_blocks(struct verifying *v, const char *what, const struct entry_list *list,
			 enum block_kind kind, struct fault *f)
{
	uint32_t place = 0;
	int r = 0;

	for (size_t i = 0; i < list->segments.count; i++)
		for (uint64_t k = 0; !r && k < list->segments.ranges[i].count; k++) {
			struct block b = {kind, list->checkpoint, place++, 0};

			r = verify_block(v, what, list->segments.ranges[i].first + k, &b, f);
		}
	return r;
}

/* Each block for itself, and then whether they fit together. */
static int verify_devices(struct verifying *v, struct fault *f)
{
	const struct manifest *m = &v->c->manifest;
	const struct entry_list blocks = {.checkpoint = m->id.number, .segments = m->devices};
	auto_free uint8_t *devices = NULL;
	size_t bytes;
	int r = verify_blocks(v, "device state", &blocks, BLOCK_DEVICES, f);

	if (r < 0 || v->figures->damaged)
		return r;
	r = checkpoint_devices(v->c, &devices, &bytes, f);
	return is_damage(r) ? report(v, &(struct damage){.what = "device state"}, f) : r;
}

/* 1: whole. */
static int verify_index(struct verifying *v, struct fault *f)
{
	const struct manifest *m = &v->c->manifest;
	uint64_t before = v->figures->damaged;
	int r = verify_blocks(v, "index", &m->index, BLOCK_INDEX, f);

	for (size_t i = 0; !r && i < m->delta_count; i++)
		r = verify_blocks(v, "delta", &m->deltas[i], BLOCK_DELTA, f);
	if (r < 0 || v->figures->damaged > before)
		return r;
	r = checkpoint_load(v->c, f);
	if (is_damage(r))
		return report(v, &(struct damage){.what = "index"}, f);
	return r < 0 ? r : 1;
}

static int count_page(void *verifying, uint64_t page, const uint8_t *data, struct fault *f)
{
	struct verifying *v = verifying;

	(void)page;
	(void)data;
	(void)f;
	v->figures->pages++;
	v->figures->bytes_read += v->c->manifest.layout.page_bytes;
	if (v->c->progress && v->figures->pages % PAGES_A_REPORT == 0)
		v->c->progress(v->c->progress_context, v->figures);
	return 0;
}

void checkpoint_watch(struct checkpoint *c,
		      void (*progress)(void *context, const struct verify_figures *now),
		      void *context)
{
	c->progress = progress;
	c->progress_context = context;
}

static int damaged_page(void *verifying, uint64_t page, uint64_t segment, struct fault *f)
{
	struct verifying *v = verifying;
	const struct ram_layout *l = &v->c->manifest.layout;
	struct damage d = {.what = "segment", .segment = segment};

	if (page == NO_PAGE) {
		fault_in_segment(f, v->c->store, segment);
	} else {
		d.what = "page";
		d.block = layout_block_of(l, page);
		d.offset = (page - d.block->first_page) * l->page_bytes;
	}
	return report(v, &d, f);
}

int checkpoint_verify(struct checkpoint *c, int (*each)(void *context, const struct damage *d),
		      void *context, struct verify_figures *figures, struct fault *f)
{
	struct verifying v = {c, each, context, figures};
	const struct page_walk walk = {count_page, damaged_page, &v};

	*figures = (struct verify_figures){0};
	int r = verify_devices(&v, f);
	if (!r)
		r = verify_index(&v, f);
	return r == 1 ? checkpoint_walk(c, &walk, f) : r;
}
