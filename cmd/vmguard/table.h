/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `check` found, as people read it. */
#pragma once

#include <stdio.h>

#include "vmguard/preflight.h"

enum { TABLE_COLUMNS = 80 };

/* One finding: its severity and object in columns, its sentences wrapped beside them. */
void table_print(FILE *out, const struct preflight_finding *finding);
