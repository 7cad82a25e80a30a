/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an image is to us, from one value in its metadata, which changes at once:
 *
 *	(none), empty   just created      (none), not empty   someone else's, never touched
 *	"making"        being encrypted: whoever finds it so, with the lock, begins again
 *	"1"             ours, plain       "1 luks2"           ours, encrypted
 *
 * So a death between create, format and mark leaves nothing that passes for an image.
 */
#include "rbd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"

#define MARK_KEY "vmguard"

static const char *const values[] = {
	[RBD_MAKING] = "making",
	[RBD_PLAIN] = "1",
	[RBD_ENCRYPTED] = "1 luks2",
};

int rbd_mark_read(struct rbd_call *c, rbd_image_t image, enum rbd_mark *mark)
{
	char value[16] = "";
	size_t bytes = sizeof(value);
	int r = rbd_metadata_get(image, MARK_KEY, value, &bytes);

	*mark = RBD_UNMARKED;
	if (r == -ENOENT)
		return 0;
	if (r < 0 && r != -ERANGE)
		return rbd_fault(&c->fault, r, &c->cluster->location,
				 "read the mark of RBD image %s/%s", c->cluster->location.pool,
				 c->image);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = RBD_MAKING; r == 0 && i < sizeof(values) / sizeof(values[0]); i++)
		if (!strcmp(value, values[i]))
			*mark = (enum rbd_mark)i;
	if (*mark == RBD_UNMARKED)
		return fault_set(&c->fault, -ENOTSUP,
				 "RBD image %s/%s has version \"%s\", and this vmguard knows "
				 "only \"%s\"",
				 c->cluster->location.pool, c->image, value, values[RBD_PLAIN]);
	return 0;
}

int rbd_mark_set(struct rbd_call *c, rbd_image_t image, enum rbd_mark mark)
{
	int r = rbd_metadata_set(image, MARK_KEY, values[mark]);

	return r < 0 ? rbd_fault(&c->fault, r, &c->cluster->location, "mark RBD image %s/%s",
				 c->cluster->location.pool, c->image)
		     : 0;
}

int rbd_mark_check(struct rbd_call *c, rbd_image_t image)
{
	enum rbd_mark mark;
	int r = rbd_mark_read(c, image, &mark);

	if (r < 0)
		return r;
	c->encrypted = mark == RBD_ENCRYPTED;
	if (mark == RBD_MAKING)
		return fault_set(&c->fault, -ENOENT, "RBD image %s/%s is only being made",
				 c->cluster->location.pool, c->image);
	if (mark == RBD_UNMARKED)
		return fault_set(&c->fault, -ENOENT, "RBD image %s/%s is not vmguard's",
				 c->cluster->location.pool, c->image);
	return 0;
}

int rbd_mark_check_writable(struct rbd_call *c, rbd_image_t image, enum rbd_mark *mark)
{
	uint64_t bytes;
	int r = rbd_mark_read(c, image, mark);

	if (r < 0)
		return r;
	if (*mark == RBD_UNMARKED && (rbd_get_size(image, &bytes) < 0 || bytes > 0))
		return fault_set(&c->fault, -EEXIST,
				 "RBD image %s/%s is not vmguard's: give another pool or a prefix",
				 c->cluster->location.pool, c->image);
	return rbd_key_check(c, *mark);
}
