/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests read: definitions as libvirt writes them, the fuzzer's corpus. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "vmguard/definition.h"
#include "vmguard/document.h"

enum { SAMPLE_BYTES = 32768 };

static inline const char *sample(const char *name)
{
	static char text[SAMPLE_BYTES];
	char path[512];

	snprintf(path, sizeof(path), "%s/src/definition/corpus/definition/%s",
		 getenv("SOURCE_ROOT"), name);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s", path);
	size_t length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	return text;
}

/* Whether there is anything in a definition that an expression names. */
static inline bool has(const char *xml, const char *expression)
{
	auto_of(document_close) struct document *d = NULL;
	struct fault f;

	ck_assert_msg(document_read(xml, strlen(xml), &d, &f) == 0, "%s in %s", f.text, xml);
	return document_has(d, NULL, expression);
}

#define HAS(xml, expression) ck_assert_msg(has(xml, expression), "no %s in %s", expression, xml)
#define HAS_NO(xml, expression) ck_assert_msg(!has(xml, expression), "%s in %s", expression, xml)
