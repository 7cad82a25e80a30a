/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A restore, and what is said of it. */
#pragma once

#include "keeper.h"
#include "record.h"
#include "vmguard/restore.h"

struct restored {
	struct arguments *arguments;
	int64_t since_ms;
	struct target target;
	uint64_t number;
	struct qemu_process qemu; /* pid 0: not started here */
	struct holder holder;	  /* QEMU; pid 0: it cannot be seen from here */
	struct record record;
	struct keeper keeper;
	const struct hypervisor *hypervisor; /* while it is restored */
	bool lazy;
	struct restore_result result;
};

/* On standard output, as text or with --json. */
void restored_print(const struct restored *r);
