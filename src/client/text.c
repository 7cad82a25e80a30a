/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int text_add(struct text *t, const char *bytes, size_t count, size_t limit)
{
	size_t room = t->room ? t->room : 256;

	if (count > limit - t->count)
		return -EMSGSIZE;
	while (room < t->count + count + 1)
		room *= 2;
	if (room != t->room) {
		char *more = realloc(t->bytes, room);

		if (!more)
			return -ENOMEM;
		t->bytes = more;
		t->room = room;
	}
	memcpy(t->bytes + t->count, bytes, count);
	t->count += count;
	t->bytes[t->count] = 0;
	return 0;
}
