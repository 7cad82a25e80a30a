/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests and checkpoints, as arguments name them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verb.h"

int parse_target(const char *text, struct target *t, struct fault *f)
{
	const char *at = strchrnul(text, '@');
	size_t length = at - text;
	char *end;

	*t = (struct target){0};
	if (length >= sizeof(t->guest))
		return fault_set(f, -EINVAL, "\"%s\": a guest's name has at most %zu characters",
				 text, sizeof(t->guest) - 1);
	memcpy(t->guest, text, length);
	int r = store_check_name(t->guest, f);
	if (r < 0 || !*at)
		return r;
	errno = 0;
	t->number = strtoull(at + 1, &end, 10);
	if (errno || at[1] < '0' || at[1] > '9' || *end || !t->number)
		return fault_set(f, -EINVAL, "\"%s\": a checkpoint is a number from 1, as in %s@3",
				 text, t->guest);
	return 0;
}

int parse_checkpoint(const char *text, struct target *t, struct fault *f)
{
	int r = parse_target(text, t, f);

	if (!r && !t->number)
		return fault_set(f, -EINVAL, "\"%s\": which checkpoint? %s@3, say", text, t->guest);
	return r;
}
