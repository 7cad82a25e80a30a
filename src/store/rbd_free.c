/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much a pool can still take, as `ceph df detail` knows it: what the OSDs have room for,
 * copies counted, and what is left of the pool's quota. The monitor only repeats what ceph-mgr
 * last told it, some seconds ago; where none ever ran, all is 0.
 */
#include "rbd.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "rbd_fault.h"

#define COMMAND "{\"prefix\": \"df\", \"detail\": \"detail\", \"format\": \"json\"}"

static uint64_t number_of(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, name, &value);
	int64_t number = json_object_get_int64(value);
	return number > 0 ? (uint64_t)number : 0;
}

/* What is known of one pool, borrowed; NULL: nothing. */
static struct json_object *stats_of(struct json_object *df, const char *pool)
{
	struct json_object *pools = NULL, *stats = NULL, *name = NULL;

	json_object_object_get_ex(df, "pools", &pools);
	size_t count =
		json_object_is_type(pools, json_type_array) ? json_object_array_length(pools) : 0;
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(pools, i);

		if (json_object_object_get_ex(item, "name", &name) &&
		    !strcmp(json_object_get_string(name), pool) &&
		    json_object_object_get_ex(item, "stats", &stats))
			return stats;
	}
	return NULL;
}

int rbd_free_parse(const char *text, const char *pool, uint64_t *bytes)
{
	struct json_object *df = json_tokener_parse(text), *all = NULL;
	struct json_object *stats = stats_of(df, pool);

	json_object_object_get_ex(df, "stats", &all);
	bool known = stats && number_of(all, "total_bytes") > 0;
	if (known) {
		uint64_t quota = number_of(stats, "quota_bytes");
		uint64_t stored = number_of(stats, "stored");

		*bytes = number_of(stats, "max_avail");
		if (quota && (stored >= quota || quota - stored < *bytes))
			*bytes = stored >= quota ? 0 : quota - stored;
	}
	json_object_put(df);
	return known ? 0 : -ENODATA;
}

static int run_free(struct rbd_call *c)
{
	const struct rbd_location *l = &c->cluster->location;
	const char *command[] = {COMMAND};
	char *out = NULL, *words = NULL;
	size_t out_bytes = 0, words_bytes = 0;
	int r = rados_mon_command(c->cluster->rados, command, 1, "", 0, &out, &out_bytes, &words,
				  &words_bytes);

	if (r < 0) {
		rbd_fault(&c->fault, r, l, "ask how much room pool %s has", l->pool);
	} else {
		auto_free char *text = strndup(out ? out : "", out_bytes);

		r = text ? rbd_free_parse(text, l->pool, &c->count) : -ENOMEM;
		if (r == -ENODATA)
			fault_set(&c->fault, r,
				  "the Ceph cluster does not know how much room pool %s has: "
				  "see whether a ceph-mgr runs",
				  l->pool);
		else if (r < 0)
			fault_errno(&c->fault, r, "read how much room pool %s has", l->pool);
	}
	rados_buffer_free(out);
	rados_buffer_free(words);
	return r;
}

int rbd_store_free_bytes(struct store *s, uint64_t *bytes, struct fault *f)
{
	struct rbd_cluster *cluster = ((struct rbd_store *)s)->cluster;
	struct rbd_call c = {.run = run_free,
			     .cluster = cluster,
			     .timeout_seconds = cluster->location.timeout_seconds};
	int r = rbd_call(&c, f);

	*bytes = r == 0 ? c.count : 0;
	return r;
}
