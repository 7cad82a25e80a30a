/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a checkpoint's domain is restored as where that is not itself: one beside it, with another
 * name and UUID, disks that are clones of its own, and network interfaces that lead nowhere.
 */
#pragma once

#include "verb.h"
#include "vmguard/definition.h"
#include "vmguard/libvirt.h"

enum { COPY_MAC_BYTES = 18 };

struct copy {
	char name[LIBVIRT_NAME_BYTES], uuid[LIBVIRT_UUID_BYTES];
	const char *suffix; /* of its disks' names */
	bool is_removed;    /* at the end, whatever comes of it: nobody goes on with it */

	/* Filled by copy_make(). */
	struct disk_list disks;
	char *original, *xml;	       /* the definitions */
	char nvram[DISK_SOURCE_BYTES]; /* "": it has none of its own */

	unsigned connected, unconnected; /* of its network interfaces */

	/*
	 * Called before anything is made, when all above is filled: to note what will be left lying
	 * where vmguard dies. May be NULL.
	 */
	int (*before)(void *context, const struct copy *c, struct fault *f);
	void *context;
};

/* -EINVAL: that cannot be a domain's name. Makes a new UUID. */
int copy_name(struct copy *c, const char *name, struct fault *f);

/*
 * Clones the disks that the checkpoint has, and changes its definition. -EPERM: there is a domain,
 * disk or NVRAM of such a name. Nothing is left of what was made where it fails.
 */
int copy_make(struct copy *c, const char *uri, const struct manifest *m, struct fault *f);

/* Removes the disks of one that does not run (any more), and its NVRAM. */
int copy_remove(const struct copy *c, struct fault *f);
void copy_clear(struct copy *c);
