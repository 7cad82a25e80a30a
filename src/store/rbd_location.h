/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* POOL[/IMAGE-PREFIX][?conf=FILE&id=USER&timeout=SECONDS], taken apart. Pure: no I/O. */
#pragma once

#include "vmguard/fault.h"

/*
 * The default is longer than Ceph needs to notice a dead OSD (20 s). With less than 10 s a
 * commit may fail only because another client of the image has died: its notifications then
 * take 5 s each.
 */
enum {
	RBD_TIMEOUT_SECONDS = 30,
	RBD_TIMEOUT_SECONDS_MAX = 3600,
};

struct rbd_location {
	char pool[128];
	char prefix[64];
	char conf[256]; /* "": where Ceph looks by itself */
	char user[64];	/* without "client." */
	int timeout_seconds;
};

/* -EINVAL says what is wrong. */
int rbd_location_parse(struct rbd_location *l, const char *text, struct fault *f);
