/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's definition of a domain, changed into that of another one: with other disks, or one that
 * runs beside the first. Only what the machine is connected to changes, never the machine that its
 * guest sees, or the state it goes on from would not fit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vmguard/disks.h"
#include "vmguard/fault.h"

/* What a domain that runs beside the first has of its own. */
struct definition_identity {
	const char *name, *uuid;
};

/*
 * Puts the sources of `disks` (NULL: none) in the place of those of the same targets, and gives it
 * an identity (NULL: it stays the same one). With an identity come sockets, ports, files of
 * consoles, NVRAM and the like of its own, and network interfaces that lead nowhere: until they are
 * exchanged (definition_interfaces()) the guest goes on with the MAC addresses it knows, which are
 * part of its state. *changed is freed by the caller. Pure. -EBADMSG: it is no definition; -ENOENT:
 * it has no disk of that target; -EOPNOTSUPP: it has something that two cannot have, says what.
 * What has QEMU wait (below) is left out.
 */
int definition_change(const char *xml, const struct disk_list *disks,
		      const struct definition_identity *identity, char **changed, struct fault *f);

/* The file with a domain's NVRAM; "": it has none. Errors as of definition_change(). */
int definition_nvram(const char *xml, char path[DISK_SOURCE_BYTES], struct fault *f);

/* Whether libvirt can talk to a guest agent in it. */
bool definition_has_agent(const char *xml);

/*
 * For each interface of the original: `each` gets how it is in the changed domain, to be taken out,
 * and another with a new MAC address, to be put in, which is connected like the original's or,
 * where `network` is given, to that network of libvirt. Until it fails, with what it returned.
 */
int definition_interfaces(const char *xml, const char *network,
			  int (*each)(void *context, const char *out, const char *in),
			  void *context, struct fault *f);

/* ---- a QEMU that waits ------------------------------------------------------------------- */

/*
 * The arguments that have a domain's QEMU wait for a stream:
 *
 *	<qemu:commandline>
 *	  <qemu:arg value='-incoming'/>
 *	  <qemu:arg value='defer'/>
 *	</qemu:commandline>
 *
 * Only text of libvirt's own making is given here, whose form is always the same, or what
 * definition_change() makes of it. Pure.
 */

/* Copies what stands in the first element of that name; false: there is none, or no room. */
bool definition_value(const char *xml, const char *element, char *value, size_t room);

/* Without these arguments, wherever a domain that was restored has left them; NULL: no memory. */
char *definition_clean(const char *xml);

/* With them, once. NULL: no memory, or it is no domain. */
char *definition_that_waits(const char *xml);
