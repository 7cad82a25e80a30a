/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says as a fault. */
#pragma once

#include <libvirt/virterror.h>

#include "vmguard/fault.h"

/*
 * "libvirt says: WORDS", with the errno that is nearest to libvirt's code; -EIO where none is. `e`
 * may be NULL.
 */
int error_tell(struct fault *f, const virError *e);
