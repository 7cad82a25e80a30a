/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts of the RBD backend: one object a kind, "vmguard.PREFIX.KIND", whose omap has a key for each
 * guest. One write operation compares and sets, so that of two who swap one wins.
 */
#include "rbd.h"

#include <errno.h>
#include <rados/librados.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"

enum { KEYS_AT_ONCE = 500 };

static int text_call(struct rbd_call *c, struct store *s, const char *kind,
		     int (*run)(struct rbd_call *c))
{
	struct rbd_cluster *cluster = ((struct rbd_store *)s)->cluster;

	*c = (struct rbd_call){.run = run,
			       .cluster = cluster,
			       .timeout_seconds = cluster->location.timeout_seconds};
	return snprintf(c->image, sizeof(c->image), "vmguard.%s.%s", cluster->location.prefix,
			kind) < (int)sizeof(c->image)
		       ? 0
		       : -ENAMETOOLONG;
}

/* ---- the list ---------------------------------------------------------------------------- */

static int add_text(struct rbd_call *c, const char *guest, const char *value, size_t bytes)
{
	struct rbd_text *grown = reallocarray(c->texts, c->found + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->texts = grown;
	grown[c->found] = (struct rbd_text){.text = strndup(value, bytes)};
	if (!grown[c->found].text)
		return -ENOMEM;
	snprintf(grown[c->found++].guest, STORE_NAME_BYTES, "%s", guest);
	return 0;
}

static int add_page(struct rbd_call *c, rados_omap_iter_t page, char last[STORE_NAME_BYTES])
{
	size_t bytes, key_bytes;
	char *key, *value;
	int r;

	while (!(r = rados_omap_get_next2(page, &key, &value, &key_bytes, &bytes)) && key) {
		r = key_bytes < STORE_NAME_BYTES ? add_text(c, key, value, bytes) : 0;
		if (r < 0)
			return r;
		snprintf(last, STORE_NAME_BYTES, "%s", key);
	}
	return r;
}

/* 1: there is more. */
static int read_page(struct rbd_call *c, char last[STORE_NAME_BYTES])
{
	rados_read_op_t op = rados_create_read_op();
	rados_omap_iter_t page = NULL;
	unsigned char more = 0;
	int result = 0;

	rados_read_op_omap_get_vals2(op, last, "", KEYS_AT_ONCE, &page, &more, &result);
	int r = rados_read_op_operate(op, c->cluster->io, c->image, 0);
	if (r == 0)
		r = result;
	if (r == 0)
		r = add_page(c, page, last);
	if (page)
		rados_omap_get_end(page);
	rados_release_read_op(op);
	return r < 0 ? r : more;
}

static int run_texts(struct rbd_call *c)
{
	char last[STORE_NAME_BYTES] = "";
	int r;

	while ((r = read_page(c, last)) == 1)
		rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	if (r == 0 || r == -ENOENT)
		return 0;
	rbd_texts_free(give(c->texts), c->found);
	c->found = 0;
	return rbd_fault(&c->fault, r, &c->cluster->location, "read object %s of pool %s", c->image,
			 c->cluster->location.pool);
}

int rbd_store_texts(struct store *s, const char *kind,
		    int (*each)(void *context, const char *guest, const char *text), void *context,
		    struct fault *f)
{
	struct rbd_call c;
	int r = text_call(&c, s, kind, run_texts);

	if (r < 0)
		return fault_errno(f, r, "list %s of %s", kind, s->uri);
	r = rbd_call(&c, f);
	if (r < 0)
		return fault_wrap(f, "list %s of %s", kind, s->uri);
	for (size_t i = 0; !r && i < c.found; i++)
		r = each(context, c.texts[i].guest, c.texts[i].text);
	rbd_texts_free(c.texts, c.found);
	return r < 0 ? fault_errno(f, r, "list %s of %s", kind, s->uri) : 0;
}

/* ---- the swap ---------------------------------------------------------------------------- */

/* A key that is not there compares as one that is empty. */
static int run_swap(struct rbd_call *c)
{
	const char *old = c->old_text ? c->old_text : "";
	const char *key = c->guest, *value = c->new_text;
	size_t key_bytes = strlen(c->guest), bytes = value ? strlen(value) : 0;
	rados_write_op_t op = rados_create_write_op();
	int compared = 0;

	rados_write_op_create(op, LIBRADOS_CREATE_IDEMPOTENT, NULL);
	rados_write_op_omap_cmp2(op, key, LIBRADOS_CMPXATTR_OP_EQ, old, key_bytes, strlen(old),
				 &compared);
	if (value)
		rados_write_op_omap_set2(op, &key, &value, &key_bytes, &bytes, 1);
	else
		rados_write_op_omap_rm_keys2(op, &key, &key_bytes, 1);
	int r = rados_write_op_operate2(op, c->cluster->io, c->image, NULL, 0);
	rados_release_write_op(op);
	if (r == -ECANCELED)
		return fault_set(&c->fault, -ESTALE, "it is another");
	return r < 0 ? rbd_fault(&c->fault, r, &c->cluster->location, "change object %s of pool %s",
				 c->image, c->cluster->location.pool)
		     : 0;
}

static int copy_texts(struct rbd_call *c, const char *old, const char *text)
{
	c->old_text = old ? strdup(old) : NULL;
	c->new_text = text ? strdup(text) : NULL;
	if ((!old || c->old_text) && (!text || c->new_text))
		return 0;
	free(c->old_text);
	free(c->new_text);
	return -ENOMEM;
}

int rbd_store_text_swap(struct store *s, const char *kind, const char *guest, const char *old,
			const char *text, struct fault *f)
{
	struct rbd_call c;
	int r = text_call(&c, s, kind, run_swap);

	if (r == 0)
		r = copy_texts(&c, old, text);
	if (r < 0)
		return store_text_fault(s, kind, guest, r, f);
	snprintf(c.guest, sizeof(c.guest), "%s", guest);
	r = rbd_call(&c, f);
	if (r == -ESTALE)
		return store_text_fault(s, kind, guest, r, f);
	return r < 0 ? fault_wrap(f, "change the %s of %s", kind, guest) : 0;
}
