/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What query-block returns, as JSON; whatever is in it, what is read fits and is what it says. */
#include "disks/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int count(void *context, const char *name)
{
	*(size_t *)context += strlen(name);
	return 0;
}

static void read_block(struct json_object *block)
{
	char id[DISK_TARGET_BYTES];
	struct fault f;
	struct disk d;
	size_t length = 0;
	int r = block_read_disk(block, &d, &f);

	if (r == 1 && (!d.target[0] && !d.node[0] && !d.source[0]))
		abort();
	if (r < 0 && !strlen(f.text))
		abort();
	block_device_id(block, id);
	if (strlen(block_device_path(block)) < strlen(id))
		abort();
	block_each_snapshot(block, count, &length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_free char *text = strndup((const char *)data, bytes);
	struct json_object *blocks = json_tokener_parse(text);

	if (json_object_is_type(blocks, json_type_array))
		for (size_t i = 0; i < json_object_array_length(blocks); i++)
			read_block(json_object_array_get_idx(blocks, i));
	else
		read_block(blocks);
	json_object_put(blocks);
	return 0;
}
