/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store keeps one image a guest. An image is an array of segments (4 MiB, the
 * size of a RADOS object) with commits:
 *
 *	head          0 1 2 3 4 5 6 …      written and discarded by ONE writer
 *	              | | |   |
 *	commit        a frozen view of every segment at that moment, read by anyone
 *
 * What a commit shows never changes, whatever is written to the head later. The head
 * starts with the segments of the last commit that can be read; a segment that was written
 * or discarded after it when a writer died holds the old data (dir) or the new (rbd).
 *
 * The store knows nothing of pages; image/ gives the segments their meaning.
 * Two backends: `dir` (dir.c) and `rbd` (rbd.c). URIs:
 *
 *	dir:PATH
 *	rbd:POOL[/IMAGE-PREFIX][?conf=FILE&id=USER&timeout=SECONDS]
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/holder.h"
#include "vmguard/scope.h"

enum {
	STORE_SEGMENT_BYTES = 4 << 20,
	STORE_NAME_BYTES = 65, /* of a guest, with NUL */
	STORE_OBJECT_BYTES = 128,
};

/* Names a commit; on the store "ckpt-<epoch>-<number>". Numbers rise, epochs never fall. */
struct checkpoint_id {
	uint64_t epoch;
	uint64_t number;
};

/*
 * One segment on its way to the store. The caller owns it and the data, both stay
 * untouched from store_write() until `done` is called, which is exactly once and from
 * any thread: it must only post, and may free the write. `bytes` <= STORE_SEGMENT_BYTES;
 * what a segment holds beyond it is undefined.
 */
struct store_write {
	uint64_t segment;
	const void *data;
	size_t bytes;
	void (*done)(struct store_write *w, int result); /* 0 or a negative errno */
	struct store_write *next;			 /* the store's, while under way */
};

/* A small text that hosts agree about, beside the images. Not encrypted, whatever the store is. */
enum {
	STORE_KIND_BYTES = 16,		/* of its kind, with NUL: "policy", [a-z]+ */
	STORE_TEXT_BYTES_MAX = 1 << 16, /* without NUL; none is empty */
};

enum store_mode {
	STORE_READ,  /* one commit, or only the list of them; many at once */
	STORE_WRITE, /* the head; one writer at a time, the image is made if it is not there */
};

struct store;
struct store_image;

/*
 * rbd: no call hangs. One operation of the cluster may take `timeout` (30 s); a call fails
 * with -ETIMEDOUT at the latest after twice that, but for image_open(STORE_WRITE), which
 * also waits up to 40 s for the lock of a writer that was killed. After -ETIMEDOUT from a
 * write or a commit nobody knows what happened: close the image and open it again.
 * dir: as the filesystem does (NFS: mount it soft).
 *
 * Calls on one store_image may come from several threads at once except image_close,
 * commit and remove.
 */
struct store_ops {
	const char *name;
	bool encrypts; /* images can be encrypted: store_use_key() */

	/* `location` is the URI after "name:". -ENOENT, -EINVAL (says what is wrong with it). */
	int (*open)(const char *location, struct store **s, struct fault *f);
	/* All images and commits are closed before. */
	void (*close)(struct store *s);

	/* Calls `each` for every guest that has an image, in no order, until it fails. */
	int (*list)(struct store *s, int (*each)(void *context, const char *guest), void *context,
		    struct fault *f);

	/*
	 * How much can still be stored, copies counted. -ENODATA: the store cannot tell (a Ceph
	 * cluster without ceph-mgr).
	 */
	int (*free_bytes)(struct store *s, uint64_t *bytes, struct fault *f);

	/*
	 * STORE_READ: `at` is the commit to read, or NULL for checkpoints() alone; -ENOENT.
	 * STORE_WRITE: `at` is NULL. -EBUSY names who else writes: host, process, since when. A
	 * writer that died is taken over. -EKEYREJECTED: a wrong key, or none for an encrypted
	 * image, or one for an image that is not encrypted.
	 */
	int (*image_open)(struct store *s, const char *guest, enum store_mode mode,
			  const struct checkpoint_id *at, struct store_image **image,
			  struct fault *f);
	/* Waits for the writes under way. Uncommitted segments are nobody's afterwards. */
	void (*image_close)(struct store_image *image);

	/* The commits, oldest first. The caller frees *ids. */
	int (*checkpoints)(struct store_image *image, struct checkpoint_id **ids, size_t *count,
			   struct fault *f);

	/* What a segment is called outside of vmguard, for messages: an object, a file. */
	void (*object_name)(struct store_image *image, uint64_t segment,
			    char name[STORE_OBJECT_BYTES]);

	/* Room for segments 0 … segments-1 before they are written. Never shrinks. */
	int (*reserve)(struct store_image *image, uint64_t segments, struct fault *f);

	/* Starts a write; errors come through w->done alone. */
	void (*write)(struct store_image *image, struct store_write *w);

	/*
	 * Reads from the commit (STORE_READ) or the head. What was never written reads as
	 * anything or is -EIO.
	 */
	int (*read)(struct store_image *image, uint64_t segment, size_t offset, void *buffer,
		    size_t bytes, struct fault *f);

	/* Frees segments of the head; commits keep theirs. Unwritten ones may be among them. */
	int (*discard)(struct store_image *image, uint64_t first, uint64_t count, struct fault *f);

	/* Makes finished writes durable. No write may be under way. */
	int (*flush)(struct store_image *image, struct fault *f);

	/*
	 * Freezes the head under this id. No write may be under way. Durable when it returns 0;
	 * until then the previous commit stays the last one. -EEXIST; -ESTALE where it would not
	 * follow the last one; -ESHUTDOWN: another writer has taken over, close the image.
	 */
	int (*commit)(struct store_image *image, struct checkpoint_id id, struct fault *f);

	/*
	 * Forgets one commit and frees what only it needed; STORE_WRITE. -ENOENT. -EBUSY: it is
	 * protected, or held, or someone reads it (dir; rbd sees only who holds it: the reads of
	 * others fail or return anything). A hold of a process that is surely dead is dropped.
	 */
	int (*remove)(struct store_image *image, struct checkpoint_id id, struct fault *f);

	/* Protects a commit from remove(), or no longer. Works beside a writer. -ENOENT. */
	int (*protect)(struct store *s, const char *guest, struct checkpoint_id id, bool on,
		       struct fault *f);
	/* 1, 0 or an error. Any mode. */
	int (*is_protected)(struct store_image *image, struct checkpoint_id id, struct fault *f);

	/*
	 * Keeps a commit from remove() for a process that goes on from it, or no longer; any mode.
	 * It may be held by many. The hold outlasts its maker, not the process that it names. It
	 * works beside a writer. 1: it was so before. -ENOENT; rbd cannot tell of a commit that
	 * went after `image` was opened: open it after this, and it is known. -EBUSY: it is being
	 * removed.
	 */
	int (*hold)(struct store_image *image, struct checkpoint_id id, const struct holder *holder,
		    bool on, struct fault *f);
	/* Who holds a commit, without those that are surely dead; the caller frees *holders. */
	int (*holders)(struct store_image *image, struct checkpoint_id id, struct holder **holders,
		       size_t *count, struct fault *f);

	/*
	 * Forgets a guest with all commits. -ENOENT; -EBUSY while anyone has it open, or a commit
	 * is protected or held.
	 */
	int (*image_remove)(struct store *s, const char *guest, struct fault *f);

	/* Calls `each` for the texts of a kind, in no order, until it fails. */
	int (*texts)(struct store *s, const char *kind,
		     int (*each)(void *context, const char *guest, const char *text), void *context,
		     struct fault *f);
	/*
	 * Compare and swap, durable when it returns 0: from `old` (NULL: there is none) to `text`
	 * (NULL: it is removed). -ESTALE: it is not `old`, and nothing was changed. After
	 * -ETIMEDOUT nobody knows.
	 */
	int (*text_swap)(struct store *s, const char *kind, const char *guest, const char *old,
			 const char *text, struct fault *f);
};

/* A key in memory that is locked and left out of core dumps. */
struct store_key {
	size_t bytes;
	char text[];
};

/* Backends embed these first. */
struct store {
	const struct store_ops *ops;
	char uri[512];	       /* as given, for messages */
	struct store_key *key; /* NULL: images are not encrypted */
	bool encrypt_new;
};

struct store_image {
	const struct store_ops *ops;
	char guest[STORE_NAME_BYTES];
};

extern const struct store_ops store_dir_ops;
extern const struct store_ops store_rbd_ops;

/* Opens the store a URI names. The caller closes it. -EINVAL lists the kinds there are. */
int store_open(const char *uri, struct store **s, struct fault *f);
void store_close(struct store *s); /* accepts NULL */
SCOPE_CLOSER(store_close, struct store)

/*
 * Images of this store are encrypted with the key in a file, all its bytes; a new image only where
 * `encrypt_new` says so, else it is -ENOENT. Before the first image is opened. -EOPNOTSUPP:
 * the store does not encrypt, says what does; -EINVAL: an empty file, too long (8 KiB), or
 * readable by everyone.
 */
int store_use_key(struct store *s, const char *key_file, bool encrypt_new, struct fault *f);
/* Both; key_file NULL: no key. */
int store_open_with_key(const char *uri, const char *key_file, bool encrypt_new, struct store **s,
			struct fault *f);

/* [A-Za-z0-9][A-Za-z0-9._-]*, at most 64 characters; -EINVAL says what is wrong. */
int store_check_name(const char *guest, struct fault *f);

enum { CHECKPOINT_NAME_BYTES = 48 };
void checkpoint_name(struct checkpoint_id id, char name[CHECKPOINT_NAME_BYTES]);
/* Whether `name` is a checkpoint's; foreign names are not an error. */
bool checkpoint_parse(const char *name, struct checkpoint_id *id);
/* <0, 0, >0 as strcmp: by number, then by epoch. */
int checkpoint_compare(const void *a, const void *b);
/* For backends: whether `id` may follow `ids`, oldest first. -EEXIST, -ESTALE. */
int checkpoint_check_next(struct checkpoint_id id, const struct checkpoint_id *ids, size_t count,
			  struct fault *f);

/* For backends: says who holds a commit that was to be removed, and what to do. -EBUSY. */
int checkpoint_held_fault(struct checkpoint_id id, const char *guest, const struct holder *holder,
			  struct fault *f);

void store_image_close(struct store_image *image); /* accepts NULL */
SCOPE_CLOSER(store_image_close, struct store_image)

/* For backends: says what went wrong with a text. Returns `code`. */
int store_text_fault(const struct store *s, const char *kind, const char *guest, int code,
		     struct fault *f);

/* Describes a write's failure: the segment, why, and what to do. Returns `code`. */
int store_write_fault(const struct store_image *image, uint64_t segment, int code, struct fault *f);

static inline int store_list(struct store *s, int (*each)(void *, const char *), void *context,
			     struct fault *f)
{
	return s->ops->list(s, each, context, f);
}

static inline int store_free_bytes(struct store *s, uint64_t *bytes, struct fault *f)
{
	return s->ops->free_bytes(s, bytes, f);
}

static inline int store_image_open(struct store *s, const char *guest, enum store_mode mode,
				   const struct checkpoint_id *at, struct store_image **image,
				   struct fault *f)
{
	return s->ops->image_open(s, guest, mode, at, image, f);
}

static inline int store_checkpoints(struct store_image *image, struct checkpoint_id **ids,
				    size_t *count, struct fault *f)
{
	return image->ops->checkpoints(image, ids, count, f);
}

static inline void store_object_name(struct store_image *image, uint64_t segment,
				     char name[STORE_OBJECT_BYTES])
{
	image->ops->object_name(image, segment, name);
}

static inline int store_reserve(struct store_image *image, uint64_t segments, struct fault *f)
{
	return image->ops->reserve(image, segments, f);
}

static inline void store_write(struct store_image *image, struct store_write *w)
{
	image->ops->write(image, w);
}

static inline int store_read(struct store_image *image, uint64_t segment, size_t offset,
			     void *buffer, size_t bytes, struct fault *f)
{
	return image->ops->read(image, segment, offset, buffer, bytes, f);
}

static inline int store_discard(struct store_image *image, uint64_t first, uint64_t count,
				struct fault *f)
{
	return image->ops->discard(image, first, count, f);
}

static inline int store_flush(struct store_image *image, struct fault *f)
{
	return image->ops->flush(image, f);
}

static inline int store_commit(struct store_image *image, struct checkpoint_id id, struct fault *f)
{
	return image->ops->commit(image, id, f);
}

static inline int store_remove(struct store_image *image, struct checkpoint_id id, struct fault *f)
{
	return image->ops->remove(image, id, f);
}

static inline int store_protect(struct store *s, const char *guest, struct checkpoint_id id,
				bool on, struct fault *f)
{
	return s->ops->protect(s, guest, id, on, f);
}

static inline int store_is_protected(struct store_image *image, struct checkpoint_id id,
				     struct fault *f)
{
	return image->ops->is_protected(image, id, f);
}

static inline int store_hold(struct store_image *image, struct checkpoint_id id,
			     const struct holder *holder, bool on, struct fault *f)
{
	return image->ops->hold(image, id, holder, on, f);
}

static inline int store_holders(struct store_image *image, struct checkpoint_id id,
				struct holder **holders, size_t *count, struct fault *f)
{
	return image->ops->holders(image, id, holders, count, f);
}

static inline int store_image_remove(struct store *s, const char *guest, struct fault *f)
{
	return s->ops->image_remove(s, guest, f);
}

static inline int store_texts(struct store *s, const char *kind,
			      int (*each)(void *context, const char *guest, const char *text),
			      void *context, struct fault *f)
{
	return s->ops->texts(s, kind, each, context, f);
}

/* As the slot. -EINVAL: no name of a guest, or a text that is empty or too long. */
int store_text_swap(struct store *s, const char *kind, const char *guest, const char *old,
		    const char *text, struct fault *f);
/* That of one guest, freed by the caller; NULL: there is none. */
int store_text_read(struct store *s, const char *kind, const char *guest, char **text,
		    struct fault *f);
