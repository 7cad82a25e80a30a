/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page.h"

#include <errno.h>
#include <string.h>

#include "serve.h"

static const struct page_file *find(const char *path)
{
	for (size_t i = 0; i < page_file_count; i++)
		if (!strcmp(path, page_files[i].path))
			return &page_files[i];
	return NULL;
}

void view_page(void *daemon, struct api_request *r)
{
	const struct page_file *file = find(api_path(r));
	struct fault f;

	(void)daemon;
	if (!file) {
		fault_set(&f, -ENOENT, "%s is no file of the status page, which is at /",
			  api_path(r));
		api_answer_fault(r, &f);
		return;
	}
	api_answer_header(r, "Content-Security-Policy", PAGE_POLICY);
	api_answer_header(r, "Referrer-Policy", "no-referrer");
	api_answer_static(r, file->type, file->bytes, file->count);
}
