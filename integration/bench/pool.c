/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

/*
 * No cache: it would take any number of writes at once, and then a limit of those under way meant
 * nothing; and it would answer reads without the cluster.
 */
int pool_open(struct pool *p, const char *conf, const char *name, struct fault *f)
{
	int r = rados_create(&p->cluster, NULL);

	if (r >= 0)
		r = rados_conf_read_file(p->cluster, conf);
	if (r >= 0)
		r = rados_conf_set(p->cluster, "rbd_cache", "false");
	if (r >= 0)
		r = rados_connect(p->cluster);
	if (r >= 0)
		r = rados_ioctx_create(p->cluster, name, &p->io);
	return r < 0 ? fault_errno(f, r, "connect to pool %s", name) : 0;
}

void pool_close(struct pool *p)
{
	if (p->io)
		rados_ioctx_destroy(p->io);
	if (p->cluster)
		rados_shutdown(p->cluster);
}
