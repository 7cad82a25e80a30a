/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network interface of a guest that runs beside the one it is a copy of.
 *
 * Its MAC address is part of the state that the guest goes on from, so it comes with the address of
 * the original, and must not be seen by anybody: a tap that nothing is connected to. To the guest's
 * driver that is the same as a tap on a bridge, down to how packets are handed over (vnet_hdr).
 * Then it is taken out, and another one put in, with an address of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "definition/edit.h"

enum { MAC_BYTES = 18 };

/* What the guest sees of it; all else is how it is connected. */
static const char *const seen[] = {"mac", "model", "driver", "mtu",	"link",	   "boot",
				   "rom", "acpi",  "alias",  "address", "teaming", NULL};

static void disconnect(struct edit *e, xmlNodePtr interface, const char *type)
{
	edit_keep_children(interface, seen);
	edit_unset(interface, "trustGuestRxFilters");
	edit_unset(interface, "managed");
	edit_set(e, interface, "type", type);
}

void edit_lead_nowhere(struct edit *e, xmlNodePtr interface)
{
	disconnect(e, interface, "ethernet");
}

/* ---- another one ------------------------------------------------------------------------- */

struct exchange {
	struct edit edit;
	const char *network;
	int (*each)(void *context, const char *out, const char *in);
	void *context;
};

static int compare_mac(void *context, struct document *d, xmlNodePtr node)
{
	char mac[MAC_BYTES];

	document_text(d, node, "string()", mac, sizeof(mac));
	return strcasecmp(mac, context) ? 0 : -EEXIST;
}

/* Of those that are for guests of KVM, and none that this guest has or had. */
static int make_mac(struct document *d, char mac[MAC_BYTES], struct fault *f)
{
	unsigned char b[3];
	int r;

	do {
		if (getrandom(b, sizeof(b), 0) != sizeof(b))
			return fault_errno(f, -EIO, "make a MAC address");
		snprintf(mac, MAC_BYTES, "52:54:00:%02x:%02x:%02x", b[0], b[1], b[2]);
		r = document_each(d, NULL, "/domain/devices/interface/mac/@address", compare_mac,
				  mac);
	} while (r == -EEXIST);
	return r;
}

static void unset_in(xmlNodePtr interface, const char *child, const char *attribute)
{
	xmlNodePtr node = edit_child(interface, child);

	if (node)
		edit_unset(node, attribute);
}

/* Connected like another one, but for names and ports that two cannot have. */
static void connect_alike(xmlNodePtr interface)
{
	static const char *const own[] = {"target", NULL};
	xmlNodePtr port = edit_child(interface, "virtualport");

	edit_remove_children(interface, own);
	unset_in(interface, "source", "portid");
	unset_in(interface, "backend", "logFile");
	if (port)
		unset_in(port, "parameters", "interfaceid");
}

static void connect_to_network(struct edit *e, xmlNodePtr interface, const char *network)
{
	disconnect(e, interface, "network");
	xmlNodePtr source = edit_add_child(e, interface, "source");
	if (source)
		edit_set(e, source, "network", network);
}

static void set_mac(struct edit *e, xmlNodePtr interface, const char *address)
{
	xmlNodePtr mac = edit_child(interface, "mac");

	if (!mac)
		mac = edit_add_child(e, interface, "mac");
	if (mac)
		edit_set(e, mac, "address", address);
}

/* The copy stays beside it, so that its address is not given again. */
static xmlNodePtr make_other(struct exchange *x, xmlNodePtr interface, const char *mac)
{
	static const char *const own[] = {"alias", NULL};
	struct edit *e = &x->edit;
	xmlNodePtr other = xmlDocCopyNode(interface, e->document->tree, 1);

	if (!other) {
		e->no_memory = true;
		return NULL;
	}
	xmlAddNextSibling(interface, other);
	edit_remove_children(other, own);
	set_mac(e, other, mac);
	if (x->network)
		connect_to_network(e, other, x->network);
	else
		connect_alike(other);
	return other;
}

static int exchange(void *context, struct document *d, xmlNodePtr node)
{
	struct exchange *x = context;
	char mac[MAC_BYTES];
	int r = make_mac(d, mac, x->edit.fault);

	if (r < 0)
		return r;
	xmlNodePtr other = make_other(x, node, mac);
	edit_lead_nowhere(&x->edit, node);
	auto_free char *out = edit_print(&x->edit, node);
	auto_free char *in = other ? edit_print(&x->edit, other) : NULL;
	return x->edit.no_memory ? -ENOMEM : x->each(x->context, out, in);
}

int definition_interfaces(const char *xml, const char *network,
			  int (*each)(void *context, const char *out, const char *in),
			  void *context, struct fault *f)
{
	auto_of(document_close) struct document *d = NULL;
	struct exchange x = {.network = network, .each = each, .context = context};
	int r = document_read(xml, strlen(xml), &d, f);

	if (r < 0)
		return r;
	x.edit = (struct edit){.document = d, .fault = f};
	r = document_each(d, NULL, "/domain/devices/interface", exchange, &x);
	return r == -ENOMEM ? fault_errno(f, r, "make another network interface") : r;
}
