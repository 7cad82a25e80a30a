/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening an image for writing: superblock -> manifest -> index and deltas -> the table of pages
 * that the next checkpoint is compared with. What cannot be read is no reason to leave a guest
 * without checkpoints: the next one is then stored whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "image/blocks.h"
#include "image/writer.h"

enum {
	OTHER_SEGMENTS_MAX = 160,      /* devices (512 MiB at most), manifest */
	EXPECTED_ROM_BYTES = 64 << 20, /* video memory, firmware: what is not counted as RAM */
};

struct store_image *image_store(struct image *image)
{
	return image->store;
}

const struct fault *image_damage(const struct image *image)
{
	return image->damage.code ? &image->damage : NULL;
}

struct checkpoint_id image_next_id(const struct image *image)
{
	return (struct checkpoint_id){image->head.id.epoch, image->head.id.number + 1};
}

/* Before the first checkpoint each opening makes another secret. */
uint32_t image_tag(const struct image *image)
{
	return image->head.id.number ? secret_tag(image->head.secret) : image_first_tag(image);
}

uint32_t image_first_tag(const struct image *image)
{
	return store_first_tag(image->of, image->store->guest);
}

uint32_t store_first_tag(const struct store *s, const char *guest)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	return place_tag(s->uri, guest, host);
}

void image_forget_next(struct image *image)
{
	manifest_clear(&image->next);
	segment_map_clear(&image->taken);
	free(give(image->changed));
	image->changed_count = 0;
	memset(image->data, 0, sizeof(image->data));
}

void image_forget_pages(struct image *image)
{
	manifest_clear(&image->base);
	page_table_clear(&image->table);
	cleaner_clear(&image->cleaner);
}

static void forget_base(struct image *image)
{
	image_forget_pages(image);
	segment_map_clear(&image->live);
}

void image_close(struct image *image)
{
	if (!image)
		return;
	image_forget_next(image);
	forget_base(image);
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

int image_mark_live(struct segment_map *map, const struct manifest *m, uint64_t manifest_segment,
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

static int load_table(struct image *image, struct fault *f)
{
	const struct manifest *m = &image->base;
	int r = page_table_load(image->store, m, &image->table, f);

	if (!r)
		r = cleaner_count(&image->cleaner, &image->table,
				  STORE_SEGMENT_BYTES / m->layout.page_bytes, f);
	return r;
}

static int load_base(struct image *image, struct fault *f)
{
	int r = manifest_read(image->store, &image->head, &image->base, f);

	if (!r)
		r = image_mark_live(&image->live, &image->base, image->head.manifest_segment, f);
	return r < 0 ? r : load_table(image, f);
}

/* What frozen commits need is theirs, whatever is written over it in the head. */
static int start_over(struct image *image, struct checkpoint_id last, const struct fault *why,
		      struct fault *f)
{
	image->damage = *why;
	forget_base(image);
	if (new_secret(image, f) < 0)
		return f->code;
	image->head.id = last;
	return 0;
}

static int load_head(struct image *image, struct fault *f)
{
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_checkpoints(image->store, &ids, &count, f);

	if (r < 0)
		return r;
	r = superblock_read(image->store, &image->head, f);
	if (r < 0 && !count)
		return new_secret(image, f); /* a new image, or nothing in it was ever committed */
	if (!r)
		r = load_base(image, f);
	if (is_damage(r) && count)
		return start_over(image, ids[count - 1], f, f);
	if (!r && count && image->head.id.number < ids[count - 1].number)
		image->head.id = ids[count - 1];
	return r;
}

int image_open(struct store *s, const char *guest, struct image **image, struct fault *f)
{
	auto_of(image_close) struct image *i = calloc(1, sizeof(*i));

	if (!i)
		return fault_errno(f, -ENOMEM, "open the image of %s", guest);
	i->of = s;
	if (store_image_open(s, guest, STORE_WRITE, NULL, &i->store, f) < 0)
		return f->code;
	if (load_head(i, f) < 0)
		return fault_wrap(f, "open the image of %s in %s", guest, s->uri);
	*image = give(i);
	return 0;
}

int image_reserve(struct image *image, uint64_t data_segments, uint64_t pages, struct fault *f)
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

/* The first checkpoint takes as much as the guest has RAM, unless much of it is zero. */
static int check_room(struct image *image, uint64_t ram_bytes, struct fault *f)
{
	uint64_t free_bytes;
	int r = store_free_bytes(image->of, &free_bytes, f);

	if (r == -ENODATA || (!r && free_bytes >= ram_bytes))
		return 0;
	if (r < 0)
		return r;
	return fault_set(f, -ENOSPC,
			 "%s has %" PRIu64 " MiB free, a whole checkpoint of %s may take %" PRIu64
			 " MiB: make room for %" PRIu64 " MiB more",
			 image->of->uri, free_bytes >> 20, image->store->guest, ram_bytes >> 20,
			 (ram_bytes - free_bytes + (1 << 20) - 1) >> 20);
}

int image_expect(struct image *image, uint64_t ram_bytes, struct fault *f)
{
	uint64_t bytes = ram_bytes + EXPECTED_ROM_BYTES;
	int r = image->spoilt ? image_fault_spoilt(f) : 0;

	if (!r && !image->base.layout.pages)
		r = check_room(image, ram_bytes, f);
	/* The page size is not known yet: 4096 is the smallest in use. */
	return r < 0 ? r : image_reserve(image, bytes / STORE_SEGMENT_BYTES + 1, bytes / 4096, f);
}

int image_fault_spoilt(struct fault *f)
{
	return fault_set(f, -ESTALE, "a checkpoint was dropped: open the image again");
}
