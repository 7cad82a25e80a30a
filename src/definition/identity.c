/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain has of its own where another one runs beside it. What the guest sees stays: a
 * serial port is one, whatever it is connected to on the host.
 *
 *	consoles, serial and parallel ports   a pty, that libvirt chooses
 *	channels                              a socket, that libvirt names after the domain
 *	VNC, SPICE, vsock                     a port, socket or number that libvirt chooses
 *	NVRAM                                 a file beside the other's: QEMU writes into it what is
 *	                                      in the guest's state
 *	interfaces                            a tap that nothing is connected to
 *
 * The guest's firmware has told it the old UUID when it booted, and tells it the new one when it
 * boots again: libvirt refuses a definition where sysinfo has another one than <uuid>. The
 *generation id is what tells a guest that it is another one now (to seed its random numbers anew,
 *for example): the new UUID is one that nobody has had.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "definition/edit.h"

#define DEVICES "/domain/devices/"
/* Character devices that are connected to no file, socket or device of the host's. */
#define LEADS_NOWHERE                                                             \
	"@type='null' or @type='vc' or @type='spicevmc' or @type='spiceport' or " \
	"@type='qemu-vdagent' or @type='dbus'"

static const char *const connection[] = {"source", "protocol", "log", "reconnect", NULL};

static int own_name(void *edit, struct document *d, xmlNodePtr node)
{
	struct edit *e = edit;

	(void)d;
	edit_set_text(e, node, e->identity->name);
	return 0;
}

static int own_uuid(void *edit, struct document *d, xmlNodePtr node)
{
	struct edit *e = edit;

	(void)d;
	edit_set_text(e, node, e->identity->uuid);
	return 0;
}

/* ---- character devices ------------------------------------------------------------------- */

static void connect_to(struct edit *e, xmlNodePtr node, const char *type)
{
	edit_remove_children(node, connection);
	edit_unset(node, "tty");
	edit_set(e, node, "type", type);
}

static int own_port(void *edit, struct document *d, xmlNodePtr node)
{
	(void)d;
	connect_to(edit, node, "pty");
	return 0;
}

/* libvirt names sockets of virtio's channels alone. */
static int own_channel(void *edit, struct document *d, xmlNodePtr node)
{
	bool is_virtio = document_has(d, node, "target[@type='virtio']");
	bool is_pty = document_has(d, node, "self::*[@type='pty']");

	connect_to(edit, node, is_pty ? "pty" : is_virtio ? "unix" : "null");
	return 0;
}

static int own_redirection(void *edit, struct document *d, xmlNodePtr node)
{
	(void)d;
	connect_to(edit, node, "null");
	return 0;
}

static int own_randomness(void *edit, struct document *d, xmlNodePtr node)
{
	struct edit *e = edit;

	(void)d;
	edit_unset(node, "type");
	edit_set(e, node, "model", "random");
	edit_set_text(e, node, "/dev/urandom");
	return 0;
}

/* ---- what others connect to -------------------------------------------------------------- */

static int own_ports(void *edit, struct document *d, xmlNodePtr node)
{
	struct edit *e = edit;

	edit_unset(node, "port");
	edit_unset(node, "tlsPort");
	edit_unset(node, "socket");
	edit_set(e, node, "autoport", "yes");
	if (document_has(d, node, "self::*[@websocket]"))
		edit_set(e, node, "websocket", "-1");
	return 0;
}

static int own_socket(void *edit, struct document *d, xmlNodePtr node)
{
	(void)edit;
	(void)d;
	edit_unset(node, "socket");
	return 0;
}

static int own_bus(void *edit, struct document *d, xmlNodePtr node)
{
	(void)edit;
	(void)d;
	edit_unset(node, "address");
	return 0;
}

static int own_number(void *edit, struct document *d, xmlNodePtr node)
{
	(void)d;
	edit_unset(node, "address");
	edit_set(edit, node, "auto", "yes");
	return 0;
}

static int own_sound(void *edit, struct document *d, xmlNodePtr node)
{
	(void)d;
	edit_unset(node, "path");
	edit_set(edit, node, "type", "none");
	return 0;
}

static int own_interface(void *edit, struct document *d, xmlNodePtr node)
{
	(void)d;
	edit_lead_nowhere(edit, node);
	return 0;
}

/* ---- files ------------------------------------------------------------------------------- */

/* "/srv/web_VARS.fd" of web: "/srv/copy_VARS.fd"; "/srv/vars.fd": "/srv/copy-vars.fd". NULL: no
 * memory. */
static char *name_file(struct edit *e, const char *old)
{
	char name[256], *text = NULL;
	const char *base = strrchr(old, '/') ? strrchr(old, '/') + 1 : old;

	document_text(e->document, NULL, "string(/domain/name)", name, sizeof(name));
	size_t length = strlen(name);
	bool is_named = length && !strncmp(base, name, length);
	if (asprintf(&text, "%.*s%s%s%s", (int)(base - old), old, e->identity->name,
		     is_named ? "" : "-", is_named ? base + length : base) < 0)
		text = NULL;
	if (!text)
		e->no_memory = true;
	return text;
}

static int own_nvram(void *edit, struct document *d, xmlNodePtr node)
{
	struct edit *e = edit;
	char old[DISK_SOURCE_BYTES];

	document_text(d, node, "string()", old, sizeof(old));
	auto_free char *path = name_file(e, old);
	if (path && node->type == XML_ATTRIBUTE_NODE)
		edit_set(e, node->parent, "file", path);
	else if (path)
		edit_set_text(e, node, path);
	return 0;
}

static int drop(void *edit, struct document *d, xmlNodePtr node)
{
	(void)edit;
	(void)d;
	edit_remove(node);
	return 0;
}

/* ---- all --------------------------------------------------------------------------------- */

/* In this order: the NVRAM's new name is made of the domain's old one. */
static const struct {
	const char *where;
	int (*own)(void *edit, struct document *d, xmlNodePtr node);
} table[] = {
	{"/domain/os/nvram[not(source) and string()]", own_nvram},
	{"/domain/os/nvram/source/@file", own_nvram},
	{"/domain/name", own_name},
	{"/domain/uuid", own_uuid},
	{"/domain/genid", own_uuid},
	{"/domain/sysinfo[@type='smbios']/system/entry[@name='uuid']", own_uuid},
	{"/domain/seclabel[@type='dynamic']/label", drop},
	{"/domain/seclabel[@type='dynamic']/imagelabel", drop},
	{DEVICES "serial[not(" LEADS_NOWHERE ")]", own_port},
	{DEVICES "console[not(" LEADS_NOWHERE ")]", own_port},
	{DEVICES "parallel[not(" LEADS_NOWHERE ")]", own_port},
	{DEVICES "channel[not(" LEADS_NOWHERE ")]", own_channel},
	{DEVICES "redirdev[not(" LEADS_NOWHERE ")]", own_redirection},
	{DEVICES "rng/backend[@model='egd']", own_randomness},
	{DEVICES "*/log", drop},
	{DEVICES "graphics[@type='vnc' or @type='spice' or @type='rdp']", own_ports},
	{DEVICES "graphics/listen[@type='socket']", own_socket},
	{DEVICES "graphics[@type='dbus']", own_bus},
	{DEVICES "vsock/cid", own_number},
	{DEVICES "audio[@type='file']", own_sound},
	{DEVICES "tpm/backend/source", drop},
	{DEVICES "interface", own_interface},
};

int edit_identify(struct edit *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(table) / sizeof(table[0]); i++)
		r = edit_each(e, table[i].where, table[i].own);
	return r;
}
