/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text that libvirt makes of a domain, and the arguments that have its QEMU wait for a stream:
 *
 *	<qemu:commandline>
 *	  <qemu:arg value='-incoming'/>
 *	  <qemu:arg value='defer'/>
 *	</qemu:commandline>
 *
 * Only text of libvirt's own making is given here, whose form is always the same. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Copies what stands in the first element of that name; false: there is none, or no room. */
bool definition_value(const char *xml, const char *element, char *value, size_t room);

/* Without these arguments, wherever a domain that was restored has left them; NULL: no memory. */
char *definition_clean(const char *xml);

/* With them, once. NULL: no memory, or it is no domain. */
char *definition_that_waits(const char *xml);
