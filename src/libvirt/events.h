/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The callbacks of a link: on libvirt's event thread, and they only post. */
#pragma once

#include "libvirt/link.h"

/* Registers them; negative: libvirt's last error says why. */
int events_start(struct link *link);
/* Takes them back, as far as they are registered. */
void events_stop(struct link *link);

/* How a domain ended, by virDomainEventStoppedDetailType. */
const char *events_how_stopped(int detail);
