/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said about a checkpoint that was taken. */
#pragma once

#include "verb.h"
#include "vmguard/capture.h"

struct taken {
	struct capture_result result;
	bool prunes; /* the next one means something */
	uint64_t pruned;
	bool in_series;
	uint64_t missed; /* ticks of the series so far */
};

/* One line, or one JSON object, of the guest that the arguments name. */
void taken_print(const struct arguments *a, const struct taken *t);
