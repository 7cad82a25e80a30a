/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running guest, as people name it: by the QMP socket of its QEMU, or as a domain of libvirt. */
#pragma once

#include <sys/types.h>

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"

/* Texts stay the caller's. */
struct monitor_address {
	const char *qmp;     /* or: */
	const char *domain;  /* name or UUID */
	const char *connect; /* NULL: as libvirt chooses */
};

int monitor_open(const struct monitor_address *at, struct hypervisor **h, struct fault *f);

/* The process of its QEMU, without asking QEMU. Negative errno. */
pid_t monitor_find_pid(const struct monitor_address *at, struct fault *f);

/* No setting of QEMU's stays behind of a snapshot whose vmguard died. Negative errno. */
int monitor_clear_settings(struct hypervisor *h, struct fault *f);
