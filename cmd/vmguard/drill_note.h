/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A note in the run directory of what a drill makes, written before it is made. Where the drill is
 * killed, the next one of that guest removes it.
 */
#pragma once

#include "copy.h"

struct drill_note {
	char guest[STORE_NAME_BYTES];
	char uri[512];	  /* "": as libvirt chooses */
	struct copy copy; /* name, UUID, NVRAM and disks */
};

/* What a drill's domain and disks have in their names. */
#define DRILL_WORD "drill-"

/* For this process, which makes one at a time. */
int drill_note_write(const struct drill_note *n, struct fault *f);
void drill_note_remove(void);

/*
 * Calls `each` for those of a guest whose drill is dead, until it fails; where it returns 0 the
 * note goes. -EBADMSG: there is one that cannot be read.
 */
int drill_note_each(const char *guest,
		    int (*each)(void *context, const struct drill_note *n, struct fault *f),
		    void *context, struct fault *f);
