/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of preflight_see_host() that need no host. */
#pragma once

#include "vmguard/preflight.h"

/* Fills in the kind of file system from statfs()'s f_type. */
void host_name_filesystem(uint32_t magic, struct preflight_file *file);

/* lock_manager of libvirt's qemu.conf from one line of it; false: the line does not set it. */
bool host_read_lock_manager(const char *line, char name[PREFLIGHT_WORD_BYTES]);
