/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table that decodes must encode to the same bytes. */
#include "dir_table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_free uint8_t *again = NULL;
	struct dir_table table;
	struct fault fault;
	size_t length;

	if (dir_table_decode(&table, data, bytes, &fault) < 0)
		return 0;
	if (dir_table_encode(&table, &again, &length, &fault) < 0 || length != bytes ||
	    memcmp(again, data, bytes))
		abort();
	dir_table_clear(&table);
	return 0;
}
