/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the change of a definition: what comes of it is one again, of the new domain. */
#include <stdint.h>
#include <string.h>

#include "vmguard/definition.h"
#include "vmguard/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int look(void *context, const char *out, const char *in)
{
	(void)context;
	if (!strstr(in, "52:54:00:") || !strstr(out, "ethernet"))
		__builtin_trap();
	return 0;
}

static void check(const char *xml)
{
	auto_of(document_close) struct document *d = NULL;
	struct fault f;

	if (document_read(xml, strlen(xml), &d, &f) < 0 ||
	    !document_has(d, NULL, "/domain[name='copy']") ||
	    document_has(d, NULL, "/domain/devices/interface[not(@type='ethernet')]"))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct disk disks[] = {
		{.target = "vda", .storage = DISK_RBD, .source = "vms/a"},
		{.target = "vdb", .format = DISK_QCOW2, .source = "/srv/a"},
	};
	const struct definition_identity identity = {.name = "copy", .uuid = "1-2"};
	const struct disk_list list = {disks, 2};
	auto_free char *text = strndup((const char *)data, bytes);
	auto_free char *changed = NULL, *plain = NULL;
	struct fault f;

	if (!text)
		return 0;
	if (definition_change(text, NULL, NULL, &plain, &f) < 0)
		return 0;
	if (definition_change(plain, &list, &identity, &changed, &f) == 0)
		check(changed);
	free(give(changed));
	if (definition_change(plain, NULL, &identity, &changed, &f) == 0)
		check(changed);
	definition_interfaces(plain, NULL, look, NULL, &f);
	definition_interfaces(plain, "net", look, NULL, &f);
	return 0;
}
