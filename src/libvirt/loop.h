/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's event loop, which also sees keepalives and a connection that is lost. */
#pragma once

#include "vmguard/fault.h"

/* Before the first connection; later calls do nothing. Its thread takes no signals. */
int loop_start(struct fault *f);
