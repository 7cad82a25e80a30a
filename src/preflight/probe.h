/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU's refusal of capabilities that exclude each other says of the first of them. */
#pragma once

#include "vmguard/preflight.h"

enum preflight_probe probe_read(const char *words);
