/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What two guests cannot have: a device of the host, a file that both would write to, and what
 * vmguard cannot look into.
 */
#include <errno.h>
#include <stdio.h>

#include "definition/edit.h"

#define DEVICES "/domain/devices/"

/* Where it stands, and what it is called. */
static const struct {
	const char *where, *name;
} table[] = {
	{DEVICES "hostdev", "concat('the host device of type ',@type)"},
	{DEVICES "interface[@type='hostdev' or @type='vdpa' or @type='vhostuser']",
	 "concat('interface ',mac/@address,' (',@type,')')"},
	{DEVICES "filesystem[not(readonly)]", "concat('the shared folder ',target/@dir)"},
	{DEVICES "shmem", "concat('the shared memory ',@name)"},
	{DEVICES "memory[source/path][not(target/readonly)]",
	 "concat('the memory in ',source/path)"},
	{DEVICES "lease", "concat('the lease ',key)"},
	{DEVICES "tpm[backend/@type='passthrough' or backend/@type='external']",
	 "concat('the TPM (',backend/@type,')')"},
	{DEVICES "input[@type='passthrough' or @type='evdev']", "'the input device of the host'"},
	{DEVICES "smartcard[not(@type='spicevmc')]", "'the smartcard'"},
	{DEVICES "pstore", "'the file of pstore'"},
	{"/domain/os/loader[@readonly='no']", "'the firmware that can be written to'"},
	{"/domain/os/nvram[@type and not(@type='file')]", "'an NVRAM that is not in a file'"},
	{"/domain/*[local-name()='commandline']/*[local-name()='arg']",
	 "concat('an argument of QEMU that was given by hand (',@value,')')"},
};

struct look {
	struct edit *edit;
	size_t row;
};

static int refuse(void *context, struct document *d, xmlNodePtr node)
{
	const struct look *look = context;
	char what[128];

	document_text(d, node, table[look->row].name, what, sizeof(what));
	return fault_set(look->edit->fault, -EOPNOTSUPP,
			 "two guests cannot have %s: take a checkpoint of the guest without it",
			 what);
}

int edit_refuse(struct edit *e)
{
	struct look look = {.edit = e};
	int r = 0;

	for (; !r && look.row < sizeof(table) / sizeof(table[0]); look.row++)
		r = document_each(e->document, NULL, table[look.row].where, refuse, &look);
	return r;
}
