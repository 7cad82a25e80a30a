/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store around the real one that fails at its k-th call, or ends the process there: before
 * the call was carried out, after it, or (a write, when it ends) while it is.
 */
#pragma once

#include "image/image_fixture.h"

enum flaky_how { FAIL_BEFORE, FAIL_AFTER, DIE_BEFORE, DIE_DURING, DIE_AFTER };
enum { DIED = 77 };

struct flaky_image {
	struct store_image base;
	struct store_image *real;
};

static struct {
	unsigned calls;
	unsigned at; /* the call that fails, from 1; 0: none */
	enum flaky_how how;
	uint64_t reserved; /* segments: a write must not go beyond them */
} flaky;

static inline struct store_image *real_of(struct store_image *image)
{
	return ((struct flaky_image *)image)->real;
}

static inline int before_call(struct fault *f)
{
	if (++flaky.calls != flaky.at)
		return 0;
	if (flaky.how == DIE_BEFORE)
		_exit(DIED);
	return flaky.how == FAIL_BEFORE ? fault_set(f, -EIO, "call %u fails", flaky.at) : 0;
}

static inline int after_call(int r, struct fault *f)
{
	if (flaky.calls != flaky.at)
		return r;
	if (flaky.how == DIE_AFTER || flaky.how == DIE_DURING)
		_exit(DIED);
	if (r < 0 || flaky.how != FAIL_AFTER)
		return r;
	return fault_set(f, -EIO, "call %u fails late", flaky.at);
}

#define FLAKY_CALL(call, f)                        \
	({                                         \
		int r_ = before_call(f);           \
		r_ ? r_ : after_call((call), (f)); \
	})

static inline void flaky_image_close(struct store_image *image)
{
	struct fault ignored;

	(void)before_call(&ignored);
	store_image_close(real_of(image));
	(void)after_call(0, &ignored);
	free(image);
}

static inline int flaky_checkpoints(struct store_image *image, struct checkpoint_id **ids,
				    size_t *count, struct fault *f)
{
	int r = FLAKY_CALL(store_checkpoints(real_of(image), ids, count, f), f);

	if (r < 0 && flaky.how == FAIL_AFTER)
		free(give(*ids));
	return r;
}

static inline int flaky_reserve(struct store_image *image, uint64_t segments, struct fault *f)
{
	flaky.reserved = segments;
	return FLAKY_CALL(store_reserve(real_of(image), segments, f), f);
}

static inline void flaky_write(struct store_image *image, struct store_write *w)
{
	struct fault f;
	int r = before_call(&f);

	ck_assert_uint_lt(w->segment, flaky.reserved);
	if (!r && flaky.calls == flaky.at && flaky.how == DIE_DURING) {
		store_write(real_of(image), w);
		_exit(DIED);
	}
	if (!r)
		r = segment_write(real_of(image), w->segment, w->data, w->bytes, &f);
	w->done(w, after_call(r, &f));
}

static inline int flaky_read(struct store_image *image, uint64_t segment, size_t offset,
			     void *buffer, size_t bytes, struct fault *f)
{
	return FLAKY_CALL(store_read(real_of(image), segment, offset, buffer, bytes, f), f);
}

static inline void flaky_object_name(struct store_image *image, uint64_t segment,
				     char name[STORE_OBJECT_BYTES])
{
	store_object_name(real_of(image), segment, name);
}

static inline int flaky_discard(struct store_image *image, uint64_t first, uint64_t count,
				struct fault *f)
{
	return FLAKY_CALL(store_discard(real_of(image), first, count, f), f);
}

static inline int flaky_flush(struct store_image *image, struct fault *f)
{
	return FLAKY_CALL(store_flush(real_of(image), f), f);
}

static inline int flaky_commit(struct store_image *image, struct checkpoint_id id, struct fault *f)
{
	return FLAKY_CALL(store_commit(real_of(image), id, f), f);
}

static inline int flaky_image_open(struct store *s, const char *guest, enum store_mode mode,
				   const struct checkpoint_id *at, struct store_image **image,
				   struct fault *f)
{
	static const struct store_ops ops = {
		.name = "flaky",
		.image_close = flaky_image_close,
		.checkpoints = flaky_checkpoints,
		.reserve = flaky_reserve,
		.write = flaky_write,
		.read = flaky_read,
		.object_name = flaky_object_name,
		.discard = flaky_discard,
		.flush = flaky_flush,
		.commit = flaky_commit,
	};
	struct store_image *real;
	int r = before_call(f);

	(void)s;
	*image = NULL;
	if (!r)
		r = store_image_open(store, guest, mode, at, &real, f);
	if (r < 0)
		return r;
	struct flaky_image *made = calloc(1, sizeof(*made));
	made->base.ops = &ops;
	strcpy(made->base.guest, guest);
	made->real = real;
	*image = &made->base;
	r = after_call(0, f);
	if (r < 0) {
		flaky.at = 0;
		store_image_close(give(*image));
	}
	return r;
}

static const struct store_ops flaky_store_ops = {.name = "flaky", .image_open = flaky_image_open};
static struct store flaky_store = {.ops = &flaky_store_ops, .uri = "flaky:"};
