/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of libvirt's definitions. */
#pragma once

#include <stdbool.h>

#include "vmguard/hypervisor.h"

/* The target ("vda") of the disk whose device has this id. false: there is none. */
bool xml_disk_target(const char *xml, const char *device, char target[MONITOR_NAME_BYTES]);
