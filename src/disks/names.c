/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/disks.h"

void disk_snapshot_format(const struct disk_snapshot_name *n, char name[DISK_SNAPSHOT_BYTES])
{
	snprintf(name, DISK_SNAPSHOT_BYTES, "vmguard-%" PRIu64 "-%" PRIu64 "-%08" PRIx32,
		 n->id.epoch, n->id.number, n->tag);
}

/* What format() would not give again is somebody else's. */
bool disk_snapshot_parse(const char *name, struct disk_snapshot_name *n)
{
	char again[DISK_SNAPSHOT_BYTES];

	*n = (struct disk_snapshot_name){0};
	if (sscanf(name, "vmguard-%" SCNu64 "-%" SCNu64 "-%" SCNx32, &n->id.epoch, &n->id.number,
		   &n->tag) != 3)
		return false;
	disk_snapshot_format(n, again);
	return !strcmp(name, again);
}
