/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All guests of a store, one after the other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "verb.h"

/* The names come from the store in no order. */
struct names {
	char (*names)[STORE_NAME_BYTES];
	size_t count;
};

static int add_name(void *context, const char *guest)
{
	struct names *n = context;
	void *names = realloc(n->names, (n->count + 1) * sizeof(*n->names));

	if (!names)
		return -ENOMEM;
	n->names = names;
	snprintf(n->names[n->count++], STORE_NAME_BYTES, "%s", guest);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int guests_each(struct store *s, int (*each)(void *context, const char *guest, struct fault *f),
		void *context, struct fault *f)
{
	struct names n = {0};
	int r = store_list(s, add_name, &n, f);

	if (n.count)
		qsort(n.names, n.count, sizeof(*n.names), by_name);
	for (size_t i = 0; i < n.count; i++) {
		struct fault one;

		if (each(context, n.names[i], &one) >= 0)
			continue;
		if (!r)
			*f = one;
		else
			report_fault(&one);
		r = f->code;
	}
	free(n.names);
	return r;
}
