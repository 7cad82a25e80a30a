/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store in a pool of Ceph: connecting, and the list of images. */
#include "rbd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rbd_fault.h"

static int set_option(struct rbd_call *c, const char *name, const char *value)
{
	int r = rados_conf_set(c->cluster->rados, name, value);

	return r < 0 ? fault_errno(&c->fault, r, "set %s of the Ceph client", name) : 0;
}

static int set_options(struct rbd_call *c)
{
	char seconds[16];
	static const char *const limits[] = {"rados_mon_op_timeout", "rados_osd_op_timeout",
					     "client_mount_timeout"};
	static const char *const options[][2] = {
		{"rbd_cache", "false"},
		/* A write that is given up may be sent later: not from its caller's memory. */
		{"rbd_disable_zero_copy_writes", "true"},
		/* A lock that is broken fences the client that held it. */
		{"rbd_blocklist_on_break_lock", "true"},
		/* Errors are ours to tell. */
		{"log_to_stderr", "false"},
		{"err_to_stderr", "false"},
	};
	int r = 0;

	snprintf(seconds, sizeof(seconds), "%d", c->timeout_seconds);
	for (size_t i = 0; r == 0 && i < sizeof(limits) / sizeof(limits[0]); i++)
		r = set_option(c, limits[i], seconds);
	for (size_t i = 0; r == 0 && i < sizeof(options) / sizeof(options[0]); i++)
		r = set_option(c, options[i][0], options[i][1]);
	return r;
}

static int configure(struct rbd_call *c)
{
	struct rbd_cluster *cluster = c->cluster;
	const char *conf = cluster->location.conf;
	int r = rados_create(&cluster->rados, cluster->location.user);

	if (r < 0)
		return fault_errno(&c->fault, r, "create a Ceph client");
	cluster->has_rados = true;
	r = rados_conf_read_file(cluster->rados, *conf ? conf : NULL);
	if (r < 0)
		return fault_errno(&c->fault, r, "read Ceph's configuration %s",
				   *conf ? conf : "/etc/ceph/ceph.conf");
	rados_conf_parse_env(cluster->rados, NULL);
	return set_options(c);
}

static int run_connect(struct rbd_call *c)
{
	struct rbd_cluster *cluster = c->cluster;
	const struct rbd_location *l = &cluster->location;
	char fsid[40] = "";
	int r = configure(c);

	if (r < 0)
		return r;
	r = rados_connect(cluster->rados);
	if (r == -ENOENT)
		return fault_set(&c->fault, r,
				 "there is no keyring for client.%s, or no monitor in "
				 "Ceph's configuration",
				 l->user);
	if (r < 0)
		return rbd_fault(&c->fault, r, l, "connect to the Ceph cluster");
	r = rados_ioctx_create(cluster->rados, l->pool, &cluster->io);
	rados_cluster_fsid(cluster->rados, fsid, sizeof(fsid));
	if (r == -ENOENT)
		return fault_set(&c->fault, r, "there is no pool %s in Ceph cluster %s", l->pool,
				 fsid);
	if (r < 0)
		return rbd_fault(&c->fault, r, l, "open pool %s", l->pool);
	cluster->has_io = true;
	/* A full pool is an error to report; without this, writes would wait for space. */
	rados_set_pool_full_try(cluster->io);
	return 0;
}

static int run_drop_cluster(struct rbd_call *c)
{
	rbd_cluster_unref(c->drop_cluster);
	return 0;
}

static void drop_cluster(struct rbd_cluster *cluster)
{
	struct rbd_call c = {.run = run_drop_cluster,
			     .drop_cluster = cluster,
			     .timeout_seconds = cluster->location.timeout_seconds};
	struct fault late;

	/* Images that were late are held until they are closed, and hold the connection. */
	rbd_call(&c, &late);
}

static int rbd_store_open(const char *location, struct store **s, struct fault *f)
{
	auto_free struct rbd_store *store = calloc(1, sizeof(*store));
	struct rbd_cluster *cluster = calloc(1, sizeof(*cluster));

	if (!store || !cluster) {
		free(cluster);
		return fault_errno(f, -ENOMEM, "open pool %s", location);
	}
	cluster->refs = 1;
	int r = rbd_location_parse(&cluster->location, location, f);
	if (r == 0) {
		struct rbd_call c = {.run = run_connect,
				     .cluster = cluster,
				     .timeout_seconds = cluster->location.timeout_seconds};

		r = rbd_call(&c, f);
	}
	if (r < 0) {
		drop_cluster(cluster);
		return r;
	}
	store->cluster = cluster;
	*s = &give(store)->base;
	return 0;
}

static void rbd_store_close(struct store *s)
{
	struct rbd_store *store = (struct rbd_store *)s;

	drop_cluster(store->cluster);
	free(store);
}

/* The guest an image is of, by its name; NULL: of none. */
static const char *guest_of(const struct rbd_call *c, const char *image)
{
	const char *prefix = c->cluster->location.prefix;
	struct fault f;

	if (strncmp(image, prefix, strlen(prefix)))
		return NULL;
	image += strlen(prefix);
	return store_check_name(image, &f) < 0 ? NULL : image;
}

/* 1: ours, 0: not, or it has just gone. */
static int is_ours(struct rbd_call *c, const char *image)
{
	snprintf(c->image, sizeof(c->image), "%s", image);
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	int r = rbd_open_reader(c);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rbd_handle_unref(give(c->opened));
	return 1;
}

static int add_ours(struct rbd_call *c, const rbd_image_spec_t *images, size_t count)
{
	c->names = calloc(count + 1, sizeof(*c->names));
	if (!c->names)
		return fault_errno(&c->fault, -ENOMEM, "list images");
	for (size_t i = 0; i < count; i++) {
		const char *guest = guest_of(c, images[i].name);
		int r = guest ? is_ours(c, images[i].name) : 0;

		if (r < 0)
			return r;
		if (r > 0)
			snprintf(c->names[c->found++], STORE_NAME_BYTES, "%s", guest);
	}
	return 0;
}

static int run_list(struct rbd_call *c)
{
	rbd_image_spec_t *images = NULL;
	size_t room = 64, count;
	int r;

	do {
		free(images);
		count = room;
		images = calloc(count, sizeof(*images));
		r = images ? rbd_list2(c->cluster->io, images, &count) : -ENOMEM;
		room = count;
	} while (r == -ERANGE);
	if (r < 0) {
		free(images);
		return rbd_fault(&c->fault, r, &c->cluster->location, "list images");
	}
	r = add_ours(c, images, count);
	rbd_image_spec_list_cleanup(images, count);
	free(images);
	return r;
}

static int rbd_store_list(struct store *s, int (*each)(void *context, const char *guest),
			  void *context, struct fault *f)
{
	struct rbd_cluster *cluster = ((struct rbd_store *)s)->cluster;
	struct rbd_call c = {.run = run_list,
			     .cluster = cluster,
			     .timeout_seconds = cluster->location.timeout_seconds};
	int r = rbd_call(&c, f);

	for (size_t i = 0; r == 0 && i < c.found; i++) {
		r = each(context, c.names[i]);
		if (r < 0)
			fault_errno(f, r, "list guest %s", c.names[i]);
	}
	free(c.names);
	return r < 0 ? fault_wrap(f, "list the images of %s", s->uri) : 0;
}

const struct store_ops store_rbd_ops = {
	.name = "rbd",
	.encrypts = true,
	.open = rbd_store_open,
	.close = rbd_store_close,
	.list = rbd_store_list,
	.free_bytes = rbd_store_free_bytes,
	.image_open = rbd_store_image_open,
	.image_close = rbd_store_image_close,
	.checkpoints = rbd_store_checkpoints,
	.object_name = rbd_store_object_name,
	.reserve = rbd_store_reserve,
	.write = rbd_store_write,
	.read = rbd_store_read,
	.discard = rbd_store_discard,
	.flush = rbd_store_flush,
	.commit = rbd_store_commit,
	.remove = rbd_store_remove,
	.protect = rbd_store_protect,
	.is_protected = rbd_store_is_protected,
	.hold = rbd_store_hold,
	.holders = rbd_store_holders,
	.image_remove = rbd_store_image_remove,
	.texts = rbd_store_texts,
	.text_swap = rbd_store_text_swap,
};
