/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The status page: the files of page/, which the build puts into the program (page/embed.py). */
#pragma once

#include <stddef.h>

struct page_file {
	const char *path; /* of the URL: "/", "/page/page.css" */
	const char *type;
	const unsigned char *bytes;
	size_t count;
};

extern const struct page_file page_files[];
extern const size_t page_file_count;

/*
 * Content-Security-Policy of these files: nothing but them is loaded, only this server is asked, no
 * script or style stands inside of the page, and no other page may frame it.
 */
#define PAGE_POLICY                                                                 \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
