/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is in the way of protecting a guest, found before it matters:
 *
 *	libvirt's XML ──preflight_machine_read()──┐
 *	QEMU's monitor ─────preflight_ask_qemu()──┼──> struct preflight_facts ──> the rules ──>
 *findings /proc, /etc, statfs preflight_see_host()──┘                  preflight_judge()
 *
 * The rules are pure. Gathering changes nothing on the guest nor on the host. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum {
	PREFLIGHT_NAME_BYTES = 128,
	PREFLIGHT_WHAT_BYTES = 64, /* fits into a line */
	PREFLIGHT_WORD_BYTES = 32,
	PREFLIGHT_UUID_BYTES = 37,
	PREFLIGHT_PATH_BYTES = 512,
	PREFLIGHT_WHY_BYTES = 768,
};

/* ---- what libvirt's definition says ------------------------------------------------------ */

/* A file that QEMU needs when the guest is restored, on whatever host. */
struct preflight_file {
	char what[PREFLIGHT_WHAT_BYTES]; /* "disk vda", "the backing file of disk vda", "nvram" */
	char path[PREFLIGHT_PATH_BYTES];
	/* Filled by preflight_see_host(). */
	int code;			       /* negative errno: it cannot be seen */
	char filesystem[PREFLIGHT_WORD_BYTES]; /* "ext4"; its number where it is not known */
	bool is_shared;			       /* other hosts can have the same one */
};

enum preflight_device_kind {
	DEVICE_VFIO,
	DEVICE_VDPA,
	DEVICE_VHOST_USER,
	DEVICE_SCSI, /* a SCSI device or target of this host */
	DEVICE_USB,  /* of this host */
	DEVICE_TPM_CHIP,
	DEVICE_TPM_EMULATOR,
	DEVICE_SHARED_FOLDER, /* 9p */
	DEVICE_SHARED_MEMORY, /* ivshmem */
	DEVICE_TRANSIENT_DISK,
	DEVICE_KINDS,
};

struct preflight_device {
	enum preflight_device_kind kind;
	char what[PREFLIGHT_WHAT_BYTES]; /* "hostdev pci 0000:65:00.0" */
};

struct preflight_machine {
	char name[PREFLIGHT_NAME_BYTES];
	char uuid[PREFLIGHT_UUID_BYTES];
	char cpu_mode[PREFLIGHT_WORD_BYTES]; /* "custom", "host-passthrough", …; "": none */
	bool has_hugepages, has_shared_memory, has_encrypted_memory, has_lease;
	struct preflight_file *files;
	size_t file_count;
	struct preflight_device *devices;
	size_t device_count;
};

/*
 * Reads a domain's XML; *m is overwritten. -EBADMSG: it is none. Values that are too long are cut.
 * Source: libvirt, docs/formatdomain.rst.
 */
int preflight_machine_read(const char *xml, size_t bytes, struct preflight_machine *m,
			   struct fault *f);
void preflight_machine_clear(struct preflight_machine *m);

/* ---- facts ------------------------------------------------------------------------------- */

struct preflight_reason {
	char what[PREFLIGHT_WHAT_BYTES];
	char text[PREFLIGHT_WHY_BYTES / 2];
};

struct preflight_reasons {
	struct preflight_reason *list;
	size_t count;
};

/* What QEMU answers to the wish for a background snapshot. */
enum preflight_probe {
	PROBE_UNKNOWN, /* it could not be asked: a migration is under way */
	PROBE_CAN,
	PROBE_CANNOT, /* probe_words says why */
};

struct preflight_facts {
	/* libvirt's; without it has_machine is false, libvirt_version 0 */
	bool has_machine;
	struct preflight_machine machine;
	unsigned long libvirt_version; /* of the daemon: major * 1000000 + minor * 1000 + micro */
	bool is_session;	       /* libvirtd is a user's own */
	char job[PREFLIGHT_WHY_BYTES]; /* why it does not leave the domain alone; "": it does */

	/* QEMU's */
	char qemu_version[PREFLIGHT_WORD_BYTES];
	char run_state[PREFLIGHT_WORD_BYTES], migration[PREFLIGHT_WORD_BYTES];
	enum preflight_probe probe;
	char probe_words[PREFLIGHT_WHY_BYTES / 2];
	char cpu_type[PREFLIGHT_NAME_BYTES]; /* "qemu64-x86_64-cpu" */
	uint64_t ram_bytes;
	struct preflight_reasons blocked; /* why it would not migrate */
	struct preflight_reasons disks;	  /* those without snapshots, and why; then what helps */
	pid_t qemu;			  /* -1: not known */

	/* this host's */
	bool qemu_is_seen; /* the next two are known */
	uid_t qemu_user;
	bool qemu_may_trace;			 /* it has CAP_SYS_PTRACE */
	int userfaultfd_sysctl;			 /* -1: the kernel has no such thing */
	int lock_manager_code;			 /* negative errno: qemu.conf cannot be read */
	char lock_manager[PREFLIGHT_WORD_BYTES]; /* "lockd", "sanlock"; "": none */

	/* the store's, where one was named */
	bool has_store;
	char store_fault[PREFLIGHT_WHY_BYTES]; /* "": it can be read */
	bool store_room_unknown;
	uint64_t store_free_bytes;
	bool has_checkpoint; /* of this guest */
};

struct hypervisor;

/* An old QEMU may refuse a question: what it leaves open stays empty. An error: it is gone. */
int preflight_ask_qemu(struct hypervisor *h, struct preflight_facts *facts, struct fault *f);

/* `root` is put in front of /proc and /etc; "" but for tests. Needs `qemu`, and the machine. */
void preflight_see_host(const char *root, struct preflight_facts *facts);

void preflight_facts_clear(struct preflight_facts *facts);

/* ---- findings ---------------------------------------------------------------------------- */

enum preflight_severity {
	PREFLIGHT_BLOCKER, /* a checkpoint cannot be taken, or the guest cannot go on from it */
	PREFLIGHT_RISK,	   /* it can, but not everywhere, or not as well */
	PREFLIGHT_OK,
};

struct preflight_finding {
	enum preflight_severity severity;
	char what[PREFLIGHT_WHAT_BYTES];
	char why[PREFLIGHT_WHY_BYTES];
	char remedy[PREFLIGHT_WHY_BYTES / 2]; /* "": nothing is to be done */
};

struct preflight_report {
	struct preflight_finding *findings; /* blockers first, then risks */
	size_t count;
	size_t blockers, risks;
	/* The rest is report.c's. */
	bool is_cut; /* there was no memory for all of them */
	struct preflight_finding lost;
};

/* -ENOMEM: the report is not whole. *r is empty before, and cleared by the caller after. */
int preflight_judge(const struct preflight_facts *facts, struct preflight_report *r,
		    struct fault *f);
void preflight_report_clear(struct preflight_report *r);

/* "blocker", "risk", "ok" */
const char *preflight_severity_name(enum preflight_severity severity);
