/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory image of a guest: a log of packed pages in the segments of a store image.
 *
 *	segment   0           1 …                                             …
 *	          superblock  data | data | data | index | devices | manifest   free
 *	              '----------------------------------------------->'
 *
 *	superblock  names the manifest of the newest checkpoint in the head
 *	data        pages, packed one after the other; no header
 *	index       page number -> slot, fingerprint; slot = segment * pages a segment + place
 *	delta       the same for the pages that changed since the index
 *	devices     the device state as the stream gave it
 *	manifest    JSON: everything else about the checkpoint; names the others
 *
 * A checkpoint becomes visible with the store's commit and not before: its segments, all free in
 * the last one; flush; superblock; flush; discard what the last one alone needed (its own commit
 * keeps that); commit. So at any moment the head is what its superblock says, and a writer that
 * dies leaves the last checkpoint as it was and uncommitted segments to the next writer.
 *
 * The bytes are described in src/image/format.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/disks.h"
#include "vmguard/fault.h"
#include "vmguard/layout.h"
#include "vmguard/scope.h"
#include "vmguard/store.h"

enum {
	IMAGE_HASH_BYTES = 16,
	IMAGE_VERSION_TEXT_BYTES = 64,
};

/* Segments first … first+count-1. */
struct segment_range {
	uint64_t first;
	uint64_t count;
};

/* A list of ranges, in the order in which they are read. */
struct segment_list {
	struct segment_range *ranges;
	size_t count;
};

/* An index or a delta, as the checkpoint of this number wrote it. */
struct entry_list {
	uint64_t checkpoint;
	uint64_t entries;
	struct segment_list segments;
};

/*
 * What a pause with snapshots of disks was made of; the sum is the pause. All 0: the guest was not
 * stopped for its disks.
 */
struct pause_parts {
	int64_t stop_us;    /* QEMU: requests under way end, caches are flushed */
	int64_t disks_us;   /* the snapshots */
	int64_t devices_us; /* QEMU: device state, write protection */
	int64_t resume_us;  /* QEMU: until it says that the guest runs */
	int64_t own_us;	    /* vmguard, between these */
};

/* What is known of a checkpoint beside its pages. */
struct manifest {
	char guest[STORE_NAME_BYTES];
	struct checkpoint_id id;
	int64_t time_ms; /* of the guest's pause, since 1970 */
	int64_t pause_us;
	struct pause_parts pause;
	char qemu_version[IMAGE_VERSION_TEXT_BYTES];
	struct ram_layout layout;
	struct disk_list disks; /* their snapshots of the same instant */
	char *xml;		/* libvirt's definition of the running domain; NULL: it had none */

	uint64_t base;		/* the checkpoint that the next three compare with; 0: none */
	uint64_t pages_changed; /* against it, those that became zero among them */
	uint64_t pages_written; /* changed and not zero, or moved */
	uint64_t pages_moved;	/* unchanged, but packed anew to free a segment */
	uint64_t pages_zero;	/* of all */
	uint64_t bytes_written; /* to the store, all kinds of segments */
	uint64_t device_bytes;

	struct segment_list data;  /* the segments that hold its pages, older ones among them */
	struct segment_list fresh; /* those of them that its changed pages went to */
	struct entry_list index;
	struct entry_list *deltas; /* since the index, oldest first */
	size_t delta_count;
	struct segment_list devices;
};

void manifest_clear(struct manifest *m);

/* ---- writing -------------------------------------------------------------------------- */

struct image;

/*
 * Where packed segments go on their way to the store. `take` may wait for room (back-pressure)
 * and returns a buffer of STORE_SEGMENT_BYTES, or NULL to give up; `put` hands a filled one on.
 */
struct image_buffers;
struct image_buffers_ops {
	uint8_t *(*take)(struct image_buffers *b);
	void (*put)(struct image_buffers *b, uint64_t segment, uint8_t *buffer, size_t bytes);
};

struct image_buffers {
	const struct image_buffers_ops *ops;
};

/*
 * Opens (and at first makes) the image of a guest for writing, and loads what it needs to know
 * of the last checkpoint: 20 bytes a page. The store must stay open. -EBUSY: another writer, says
 * who.
 */
int image_open(struct store *s, const char *guest, struct image **image, struct fault *f);
void image_close(struct image *image); /* accepts NULL */
SCOPE_CLOSER(image_close, struct image)

/*
 * Why the last checkpoint cannot be compared with, though there is one: it is damaged, and the next
 * one will be whole. NULL: all is well. The image's.
 */
const struct fault *image_damage(const struct image *image);

/*
 * The next checkpoint compares with nothing and stores every page anew: what to do when a page that
 * does not change is damaged in the store.
 */
void image_forget_pages(struct image *image);

/* What the next checkpoint will be called. */
struct checkpoint_id image_next_id(const struct image *image);

/*
 * A number that tells this image from others, for the names of snapshots elsewhere. The same each
 * time that the image is opened, until its first checkpoint is there and from then on, as long as
 * it can be read.
 */
uint32_t image_tag(const struct image *image);
/* The one before its first checkpoint, which that one has; if this host made it. */
uint32_t image_first_tag(const struct image *image);
uint32_t store_first_tag(const struct store *s, const char *guest);

/* The store image, for the writers of segments. */
struct store_image *image_store(struct image *image);

/*
 * Makes room for a checkpoint of about that much RAM. Called before the guest is touched: in a
 * cluster this is work that should not run while the guest stands still, and a wait that the
 * reader of a stream must not have. image_begin() does it where it was not enough.
 * -ENOSPC: this would be the first checkpoint, and the store has less room than that.
 * -ESTALE: a commit failed before, the image has to be opened again.
 */
int image_expect(struct image *image, uint64_t ram_bytes, struct fault *f);

/*
 * One checkpoint, on one thread: begin, pages in any order, end; then, when all segments that
 * were put are written, commit. Whatever fails in between: wait for the writes, image_drop().
 * Only pages that changed since the last checkpoint are stored; one that does not pass by is
 * taken as unchanged.
 */
int image_begin(struct image *image, const struct ram_layout *l, struct image_buffers *b,
		struct fault *f);
int image_add_page(struct image *image, uint64_t page, const uint8_t *data, struct fault *f);
int image_end(struct image *image, const uint8_t *devices, size_t bytes, struct fault *f);

struct checkpoint_facts {
	int64_t time_ms;
	int64_t pause_us;
	const char *qemu_version;
	struct pause_parts pause;
	const struct disk_list *disks; /* NULL: none */
	const char *xml;	       /* NULL: none */
};

/* Frees what was written for a checkpoint that will not be committed; the last one stays. */
int image_drop(struct image *image, struct fault *f);

/* Durable and visible when it returns 0. *m (may be NULL) holds until the next image_begin(). */
int image_commit(struct image *image, const struct checkpoint_facts *facts,
		 const struct manifest **m, struct fault *f);

/* Forgets one checkpoint, as checkpoint_delete() does, while the image is open for writing. */
int image_delete(struct image *image, uint64_t number, struct fault *f);

/* ---- reading -------------------------------------------------------------------------- */

struct checkpoint;

struct listed_checkpoint {
	struct checkpoint_id id;
	bool is_protected;
	const struct holder *holders; /* that are being restored from it */
	size_t holder_count;
	uint32_t tag;			 /* image_tag() */
	const struct manifest *manifest; /* NULL: damaged, or it cannot be read: */
	const struct fault *damage;
};

/* Calls `each` for every checkpoint of a guest, oldest first, until it fails. -ENOENT: no guest. */
int checkpoint_list(struct store *s, const char *guest,
		    int (*each)(void *context, const struct listed_checkpoint *l), void *context,
		    struct fault *f);

/* A protected checkpoint is neither deleted nor pruned. Works beside a writer. -ENOENT. */
int checkpoint_protect(struct store *s, const char *guest, uint64_t number, bool on,
		       struct fault *f);

/*
 * Ends the holds of processes that are elsewhere; the caller frees *lost. -EBUSY: one lives here,
 * and nothing was changed. -ENOENT.
 */
int checkpoint_release_lost(struct store *s, const char *guest, uint64_t number,
			    struct holder **lost, size_t *count, struct fault *f);

/* Forgets one checkpoint, and the image with the last one; number 0: all. -ENOENT, -EBUSY. */
int checkpoint_delete(struct store *s, const char *guest, uint64_t number, struct fault *f);

/*
 * Opens a checkpoint by number, the newest one where number is 0. -ENOENT names what there is;
 * -EBADMSG: damaged, says which structure in which segment.
 */
int checkpoint_open(struct store *s, const char *guest, uint64_t number, struct checkpoint **c,
		    struct fault *f);

/*
 * The same for a process that is to be restored from it, and that holds it before anything is read:
 * as long as that lives nobody else deletes it, whatever becomes of us. Where a store does not let
 * us hold, *unheld says why (code 0: it is held). -EBUSY: it is being deleted. What was held before
 * stays so where this fails.
 */
int checkpoint_open_held(struct store *s, const char *guest, uint64_t number,
			 const struct holder *holder, struct checkpoint **c, struct fault *unheld,
			 struct fault *f);
/* It has all that it needs. */
int checkpoint_release(struct checkpoint *c, const struct holder *holder, struct fault *f);
void checkpoint_close(struct checkpoint *c); /* accepts NULL */
SCOPE_CLOSER(checkpoint_close, struct checkpoint)

const struct manifest *checkpoint_manifest(const struct checkpoint *c);

/* The device state; the caller frees it. */
int checkpoint_devices(struct checkpoint *c, uint8_t **state, size_t *bytes, struct fault *f);

/* Takes the pages of a checkpoint; data is NULL for a zero page. */
struct page_sink;
struct page_sink_ops {
	int (*page)(struct page_sink *s, uint64_t page, const uint8_t *data, struct fault *f);
};

struct page_sink {
	const struct page_sink_ops *ops;
};

/*
 * Every page once, data pages in the order in which they lie in the store, then zero pages.
 * Each is compared with its fingerprint: -EBADMSG names a damaged page, its segment and object.
 */
int checkpoint_each_page(struct checkpoint *c, struct page_sink *sink, struct fault *f);

/* From here on pages are handed on as they are found. */
void checkpoint_skip_verify(struct checkpoint *c);

/* ---- reading in any order; any thread -------------------------------------------------- */

/* Reads where each page lies. Before the functions below. */
int checkpoint_load(struct checkpoint *c, struct fault *f);

/* Where a page lies; 0: it is zero, and there is nothing to read. */
uint64_t checkpoint_segment_of(const struct checkpoint *c, uint64_t page);

/* Whether b, which is not zero either, lies right behind a. */
bool checkpoint_adjacent(const struct checkpoint *c, uint64_t a, uint64_t b);

/* How many pages are not zero. */
uint64_t checkpoint_stored(const struct checkpoint *c);

/*
 * Reads and checks pages that are not zero into data, one after the other; what lies side by side
 * in the store is read at once. -EBADMSG as checkpoint_each_page().
 */
int checkpoint_read_pages(struct checkpoint *c, const uint64_t *pages, size_t count, uint8_t *data,
			  struct fault *f);

/* The pages of a segment. */
struct segment_pages {
	uint64_t segment;
	const uint32_t *pages; /* the checkpoint's */
	size_t count;
};

/* Puts the pages in the order in which they lie in the store. Before checkpoint_segment(). */
int checkpoint_order(struct checkpoint *c, struct fault *f);

/*
 * The k-th segment, those with the pages that changed last first; false: there are not that many.
 */
bool checkpoint_segment(const struct checkpoint *c, size_t k, struct segment_pages *s);
/* How many of its bytes its pages need. */
size_t checkpoint_segment_bytes(const struct checkpoint *c, const struct segment_pages *s);
/* Reads bytes of it to the same place in a buffer of STORE_SEGMENT_BYTES. */
int checkpoint_read_segment(struct checkpoint *c, const struct segment_pages *s, size_t at,
			    size_t bytes, uint8_t *buffer, struct fault *f);
/* A page in such a buffer, checked; NULL and *f: damaged. */
const uint8_t *checkpoint_page_in(const struct checkpoint *c, uint64_t page, const uint8_t *buffer,
				  struct fault *f);

/* ---- looking ------------------------------------------------------------------------- */

struct damage {
	const char *what;	       /* "page", "device state", "index" */
	const struct ram_block *block; /* of a page, else NULL */
	uint64_t offset;	       /* of a page in its block, in bytes */
	uint64_t segment;
	char object[STORE_OBJECT_BYTES];
	const struct fault *fault; /* all of it as a sentence */
};

struct verify_figures {
	uint64_t pages;	     /* compared */
	uint64_t bytes_read; /* pages and device state */
	uint64_t damaged;    /* calls of `each` */
};

/*
 * Reads all of a checkpoint and compares it with its fingerprints and checksums; calls `each` for
 * every damage that is found, until it fails. 0 also where there was damage: see the figures.
 */
int checkpoint_verify(struct checkpoint *c, int (*each)(void *context, const struct damage *d),
		      void *context, struct verify_figures *figures, struct fault *f);

/* From here on checkpoint_verify() calls this now and then. */
void checkpoint_watch(struct checkpoint *c,
		      void (*progress)(void *context, const struct verify_figures *now),
		      void *context);

/* What changed in one block of RAM; a block that one of the two lacks counts as changed. */
struct block_difference {
	const char *block;
	uint64_t pages;		/* of the newer one's block, or of the one there is */
	uint64_t pages_changed; /* those that became zero among them */
	uint64_t bytes_changed;
};

/* Compares two checkpoints of one guest by their fingerprints. `each` as above. */
int checkpoint_diff(struct checkpoint *older, struct checkpoint *newer,
		    int (*each)(void *context, const struct block_difference *d), void *context,
		    struct fault *f);
