/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process runs a domain: libvirt tells its clients no process ids. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "vmguard/fault.h"

/* libvirt names the guest by "-uuid UUID" on QEMU's command line; -ESRCH, -ENOTUNIQ. */
pid_t process_find(const char *uuid, struct fault *f);

/* Whether the words of a command line, each ended by a 0 byte, have that. */
bool process_words_name(const char *words, size_t bytes, const char *uuid);
