/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a return path. What the sink is told must lie in the guest. */
#include "vmguard/stream.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct ram_layout layout = {.page_bytes = 4096};
static unsigned sum;

static int request(struct return_path_sink *s, uint64_t page, uint64_t pages, struct fault *f)
{
	(void)s;
	(void)f;
	if (!pages || page >= layout.pages || pages > layout.pages - page)
		abort();
	return 0;
}

static int received(struct return_path_sink *s, const struct ram_block *b, const uint8_t *bitmap,
		    struct fault *f)
{
	(void)s;
	(void)f;
	for (uint64_t page = 0; page < b->pages; page++)
		sum += bitmap[page / 8];
	return 0;
}

static int resumed(struct return_path_sink *s, struct fault *f)
{
	(void)s;
	(void)f;
	return 0;
}

static int shut(struct return_path_sink *s, uint32_t status, struct fault *f)
{
	(void)s;
	(void)f;
	sum += status;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct return_path_sink_ops ops = {request, received, resumed, shut};
	struct return_path_sink sink = {&ops};
	struct fault f;

	if (!layout.pages && (layout_add_block(&layout, "pc.ram", 100 * 4096, &f) < 0 ||
			      layout_add_block(&layout, "pc.bios", 3 * 4096, &f) < 0))
		abort();
	auto_of(return_path_free) struct return_path *p = return_path_new(&layout, &sink);
	return_path_feed(p, data, bytes, &f);
	return 0;
}
