/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/definition.h"

#include <errno.h>
#include <string.h>

#include "definition/edit.h"

/* Which host's number a domain has is libvirt's business. */
static int change(struct edit *e)
{
	int r = e->identity ? edit_refuse(e) : 0;

	edit_unset(xmlDocGetRootElement(e->document->tree), "id");
	if (!r)
		r = edit_disks(e);
	return r < 0 || !e->identity ? r : edit_identify(e);
}

static int read_domain(const char *xml, struct document **d, struct fault *f)
{
	int r = document_read(xml, strlen(xml), d, f);

	if (!r && !document_has(*d, NULL, "/domain/name"))
		r = fault_set(f, -EBADMSG, "that is not the definition of a domain");
	return r;
}

static int no_memory(struct fault *f)
{
	return fault_errno(f, -ENOMEM, "change the definition of a domain");
}

/* The arguments that a restore has left are found in the text of libvirt's making alone. */
int definition_change(const char *xml, const struct disk_list *disks,
		      const struct definition_identity *identity, char **changed, struct fault *f)
{
	auto_of(document_close) struct document *d = NULL;
	auto_free char *clean = definition_clean(xml);

	if (!clean)
		return no_memory(f);
	int r = read_domain(clean, &d, f);
	if (r < 0)
		return r;
	struct edit e = {.document = d, .identity = identity, .disks = disks, .fault = f};
	r = change(&e);
	if (r < 0 && r != -ENOMEM)
		return r;
	auto_free char *text = edit_print(&e, xmlDocGetRootElement(d->tree));
	if (r < 0 || e.no_memory)
		return no_memory(f);
	*changed = give(text);
	return 0;
}

int definition_nvram(const char *xml, char path[DISK_SOURCE_BYTES], struct fault *f)
{
	auto_of(document_close) struct document *d = NULL;
	int r = read_domain(xml, &d, f);

	if (!r)
		document_text(d, NULL,
			      "string(/domain/os/nvram[not(source)] | "
			      "/domain/os/nvram/source/@file)",
			      path, DISK_SOURCE_BYTES);
	return r;
}

bool definition_has_agent(const char *xml)
{
	auto_of(document_close) struct document *d = NULL;
	struct fault ignored;

	return !read_domain(xml, &d, &ignored) &&
	       document_has(d, NULL,
			    "/domain/devices/channel/target[@name='org.qemu.guest_agent.0']");
}
