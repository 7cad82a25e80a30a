/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a guest may start on this host, by what vmguard knows here: the notes of restores that
 * are under way (vmguard/record.h). Nobody is asked, so that the answer comes at once.
 */
#pragma once

#include <stdbool.h>

#include "vmguard/config.h"
#include "vmguard/fault.h"

struct start {
	const char *guest; /* what libvirt calls it */
	const char *uuid;  /* of its definition, in lower case */
};

/*
 * 0: nothing speaks against it. -EPERM: it may not, says why and what to do. Another error: it
 * cannot be known.
 */
int start_may(const struct start *s, struct fault *f);

/*
 * What counts where it cannot be known, and *f says why: the setting hook-when-down, for a guest
 * that is protected. 0, or -EPERM with its sentence.
 */
int start_decide(const struct start *s, const char *config_file, const char *protected_folder,
		 struct fault *f);
