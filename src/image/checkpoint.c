/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a checkpoint: superblock -> manifest -> table of pages -> pages. Everything is checked
 * before it is believed: a damaged structure or page is named and nothing of it is handed on.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "image/blocks.h"
#include "image/checkpoint.h"

void checkpoint_close(struct checkpoint *c)
{
	if (!c)
		return;
	manifest_clear(&c->manifest);
	page_table_clear(&c->table);
	free(c->order);
	free(c->segments);
	store_image_close(c->store);
	free(c);
}

const struct manifest *checkpoint_manifest(const struct checkpoint *c)
{
	return &c->manifest;
}

/* The id of a number, of the newest for 0; and the image, which the caller closes. */
static int find_in_image(struct store *s, const char *guest, uint64_t number,
			 struct checkpoint_id *id, struct store_image **image, struct fault *f)
{
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_image_open(s, guest, STORE_READ, NULL, image, f);

	if (!r)
		r = store_checkpoints(*image, &ids, &count, f);
	if (r < 0)
		return r;
	if (!count)
		return fault_set(f, -ENOENT, "%s has no checkpoint in %s", guest, s->uri);
	if (!number)
		number = ids[count - 1].number;
	for (size_t i = 0; i < count; i++)
		if (ids[i].number == number) {
			*id = ids[i];
			return 0;
		}
	return fault_set(f, -ENOENT,
			 "%s has no checkpoint %" PRIu64 " in %s: the oldest is %" PRIu64
			 ", the newest %" PRIu64,
			 guest, number, s->uri, ids[0].number, ids[count - 1].number);
}

static int find_checkpoint(struct store *s, const char *guest, uint64_t number,
			   struct checkpoint_id *id, struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;

	return find_in_image(s, guest, number, id, &image, f);
}

static int open_id(struct store *s, const char *guest, struct checkpoint_id id,
		   struct checkpoint **out, struct fault *f)
{
	auto_of(checkpoint_close) struct checkpoint *c = calloc(1, sizeof(*c));

	if (!c)
		return fault_errno(f, -ENOMEM, "open checkpoint %" PRIu64 " of %s", id.number,
				   guest);
	if (store_image_open(s, guest, STORE_READ, &id, &c->store, f) < 0)
		return fault_wrap(f, "open checkpoint %" PRIu64 " of %s", id.number, guest);
	int r = superblock_read(c->store, &c->superblock, f);
	if (!r && c->superblock.id.number != id.number)
		r = fault_set(f, -EBADMSG, "the superblock is of checkpoint %" PRIu64,
			      c->superblock.id.number);
	if (!r)
		r = manifest_read(c->store, &c->superblock, &c->manifest, f);
	if (r == -ENOENT)
		f->code = -EBADMSG; /* a segment is missing, not the checkpoint */
	if (r < 0)
		return fault_wrap(f, "open checkpoint %" PRIu64 " of %s", id.number, guest);
	*out = give(c);
	return 0;
}

int checkpoint_open(struct store *s, const char *guest, uint64_t number, struct checkpoint **c,
		    struct fault *f)
{
	struct checkpoint_id id = {0};
	int r = find_checkpoint(s, guest, number, &id, f);

	return r < 0 ? r : open_id(s, guest, id, c, f);
}

/* Held first and opened then: what is opened is there, and stays. */
int checkpoint_open_held(struct store *s, const char *guest, uint64_t number,
			 const struct holder *holder, struct checkpoint **c, struct fault *unheld,
			 struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;
	struct checkpoint_id id = {0};
	struct fault ignored;
	int r = find_in_image(s, guest, number, &id, &image, f);

	*unheld = (struct fault){0};
	if (r < 0)
		return r;
	int held = store_hold(image, id, holder, true, unheld);
	if (held == -EBUSY || held == -ENOENT) {
		*f = *unheld;
		return held;
	}
	r = open_id(s, guest, id, c, f);
	if (r < 0 && held == 0)
		store_hold(image, id, holder, false, &ignored);
	return r;
}

int checkpoint_release(struct checkpoint *c, const struct holder *holder, struct fault *f)
{
	int r = store_hold(c->store, c->superblock.id, holder, false, f);

	return r < 0 ? r : 0;
}

static int check_lost(struct checkpoint_id id, const char *guest, const struct holder *holders,
		      size_t count, struct fault *f)
{
	char who[HOLDER_BYTES];

	for (size_t i = 0; i < count; i++) {
		if (holder_life(&holders[i]) == HOLDER_UNKNOWN)
			continue;
		holder_describe(&holders[i], who);
		return fault_set(f, -EBUSY,
				 "checkpoint %" PRIu64 " of %s is being restored by %s, which "
				 "lives: let it end, or end it",
				 id.number, guest, who);
	}
	return 0;
}

int checkpoint_release_lost(struct store *s, const char *guest, uint64_t number,
			    struct holder **lost, size_t *count, struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;
	auto_free struct holder *holders = NULL;
	struct checkpoint_id id = {0};
	int r = find_in_image(s, guest, number, &id, &image, f);

	if (!r)
		r = store_holders(image, id, &holders, count, f);
	if (!r)
		r = check_lost(id, guest, holders, *count, f);
	for (size_t i = 0; r >= 0 && i < *count; i++)
		r = store_hold(image, id, &holders[i], false, f);
	if (r < 0)
		return r;
	*lost = give(holders);
	return 0;
}

static int list_one(struct store *s, const char *guest, struct listed_checkpoint *l,
		    int (*each)(void *context, const struct listed_checkpoint *l), void *context)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct fault damage;
	int r = open_id(s, guest, l->id, &c, &damage);

	if (r == -ENOENT)
		return 0; /* deleted meanwhile by somebody else */
	l->tag = r < 0 ? 0 : secret_tag(c->superblock.secret);
	l->manifest = r < 0 ? NULL : &c->manifest;
	l->damage = r < 0 ? &damage : NULL;
	return each(context, l);
}

int checkpoint_list(struct store *s, const char *guest,
		    int (*each)(void *context, const struct listed_checkpoint *l), void *context,
		    struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_image_open(s, guest, STORE_READ, NULL, &image, f);

	if (!r)
		r = store_checkpoints(image, &ids, &count, f);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		auto_free struct holder *holders = NULL;
		struct fault ignored;
		struct listed_checkpoint l = {
			.id = ids[i],
			.is_protected = store_is_protected(image, ids[i], &ignored) == 1,
		};

		store_holders(image, ids[i], &holders, &l.holder_count, &ignored);
		l.holders = holders;
		r = list_one(s, guest, &l, each, context);
		if (r < 0)
			return fault_errno(f, r, "list the checkpoints of %s", guest);
	}
	return 0;
}

int checkpoint_protect(struct store *s, const char *guest, uint64_t number, bool on,
		       struct fault *f)
{
	struct checkpoint_id id = {0};
	int r = find_checkpoint(s, guest, number, &id, f);

	return r < 0 ? r : store_protect(s, guest, id, on, f);
}

int checkpoint_delete(struct store *s, const char *guest, uint64_t number, struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;
	struct checkpoint_id id = {0};
	size_t count = 0;
	auto_free struct checkpoint_id *ids = NULL;

	if (!number)
		return store_image_remove(s, guest, f);
	int r = find_checkpoint(s, guest, number, &id, f);
	if (!r)
		r = store_image_open(s, guest, STORE_WRITE, NULL, &image, f);
	if (!r)
		r = store_remove(image, id, f);
	if (!r)
		r = store_checkpoints(image, &ids, &count, f);
	if (r < 0)
		return r;
	store_image_close(give(image));
	if (!count)
		return store_image_remove(s, guest, f);
	/* The newest one's segments are the head's too: who opens it next frees them. */
	return store_image_open(s, guest, STORE_WRITE, NULL, &image, f);
}

int checkpoint_devices(struct checkpoint *c, uint8_t **state, size_t *bytes, struct fault *f)
{
	const struct segment_list *l = &c->manifest.devices;
	size_t room = c->manifest.device_bytes;
	auto_free uint8_t *all = malloc(room ? room : 1);
	size_t used = 0;
	uint32_t place = 0;

	if (!all)
		return fault_errno(f, -ENOMEM, "read %zu bytes of device state", room);
	for (size_t i = 0; i < l->count; i++)
		for (uint64_t k = 0; k < l->ranges[i].count; k++) {
			struct block b = {BLOCK_DEVICES, c->superblock.id.number, place++, 0};
			auto_free uint8_t *block = NULL;
			int r = block_read(c->store, l->ranges[i].first + k, &b, &block, f);

			if (r < 0)
				return fault_wrap(f, "device state");
			if (b.payload_bytes > room - used)
				return fault_set(f, -EBADMSG, "more device state than %zu bytes",
						 room);
			memcpy(all + used, block + BLOCK_HEADER_BYTES, b.payload_bytes);
			used += b.payload_bytes;
		}
	if (used != room)
		return fault_set(f, -EBADMSG, "%zu of %zu bytes of device state", used, room);
	*state = give(all);
	*bytes = used;
	return 0;
}
