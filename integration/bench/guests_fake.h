/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

extern int64_t fake_capture_ms; /* how long each takes */
