/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A restore, and what is said of it. */
#pragma once

#include "copy.h"
#include "keeper.h"
#include "vmguard/disks.h"
#include "vmguard/libvirt.h"
#include "vmguard/record.h"
#include "vmguard/restore.h"

enum { RESTORE_ATTEMPTS = 3 };

struct restored {
	struct arguments *arguments;
	int64_t since_ms;
	struct target target;
	uint64_t number;
	struct qemu_process qemu;     /* pid 0: not started here */
	struct libvirt_domain domain; /* name "": it is none */
	struct copy *copy;	      /* what the domain becomes; NULL: itself */
	pid_t domain_pid;	      /* its QEMU; -1: it cannot be seen from here */
	struct holder holder;	      /* QEMU; pid 0: it cannot be seen from here */
	struct record record;
	char uuid[HYPERVISOR_UUID_BYTES]; /* QEMU's; "": it has none */
	struct keeper keeper;
	const struct hypervisor *hypervisor; /* while it is restored */
	bool lazy;
	const char *disks;	 /* what was done about them; NULL: nothing yet, or it has none */
	struct disk_list clones; /* of them, made for it */
	char *xml;		 /* the domain with these */
	int64_t disks_ms;	 /* how long that took */
	struct restore_result result;

	void (*ran)(void *context); /* called when a domain's guest runs; may be NULL */
	void *ran_context;
};

/* On standard output, as text or with --json. */
void restored_print(const struct restored *r);

/* ---- source.c ----------------------------------------------------------------------------- */

/* What it is restored from. */
struct source {
	struct store *store;
	struct checkpoint *checkpoint;
	bool loaded;
};

/* Opens the store and the checkpoint, held for this process (0: unknown). */
int source_open(struct restored *r, struct source *source, pid_t pid, struct fault *f);
/* So that its pages can be read. */
int source_load(struct source *source, struct fault *f);
/* From here on it is held for that process instead. */
void source_hold_for(struct restored *r, struct source *source, pid_t pid);
/* `result` is the restore's: a guest that stands still needs the checkpoint. */
void source_close(const struct restored *r, struct source *source, int result);

/* ---- restored_disks.c -------------------------------------------------------------------- */

/* Of --disks. */
bool restored_disks_is_way(const char *text);

/*
 * Before its QEMU has the disks open: as --disks says they go back to the checkpoint, or
 * out->domain gets clones of them. -EPERM, -EBUSY: nothing was changed.
 */
int restored_disks(struct restored *r, const struct source *source, struct fault *f);

/* A QEMU has them open: they must be as they have to be. -EPERM: nobody says so. */
int restored_disks_are_kept(struct restored *r, const struct source *source, struct fault *f);

/* At the end; clones for a guest that never ran go. */
void restored_disks_clear(struct restored *r);

/* ---- restore_new.c ----------------------------------------------------------------------- */

/* In a QEMU that is started here. */
int restore_in_new(struct restored *r, struct fault *f);

/* ---- restore_domain.c -------------------------------------------------------------------- */

/* In a domain that libvirt makes of what the checkpoint keeps. */
int restore_in_domain(struct restored *r, struct fault *f);

/* ---- restore.c: what every way of restoring needs ---------------------------------------- */

const char *restored_mode(const struct restored *r); /* --mode; "": none was asked for */
struct restore_options restored_options(struct restored *r);

/* Where nothing was asked for: lazy if QEMU can, and the reason if it cannot. */
int restored_send(struct checkpoint *c, struct hypervisor *h, struct restored *r, struct fault *f);
/* With a note in the run directory, so that it can be gone on with. */
int restored_send_lazily(struct checkpoint *c, struct hypervisor *h,
			 const struct restore_options *options, struct restored *r,
			 struct fault *f);
/* QEMU was lost before the guest ran. */
bool restored_is_worth_another_try(const struct restored *r, int code);
/* Says that, and how to go on; `socket`: --qmp. */
int restored_stands_still(const struct restored *r, const char *socket, struct fault *f);
