/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running QEMU as vmguard talks to it: monitor commands, events, and the process id. How the
 * commands get there is the backend's: `qemu` uses a QMP socket (qemu.c), `libvirt` the monitor
 * that libvirt holds (vmguard/libvirt.h).
 *
 * One struct hypervisor belongs to one thread at a time. Every call has a time limit, so that a
 * frozen QEMU is -ETIMEDOUT and never a hang.
 */
#pragma once

#include <json-c/json.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum {
	MONITOR_LIMIT_MS = 10000, /* of a monitor command where the caller has no other */
	MONITOR_NAME_BYTES = 64,
	HYPERVISOR_UUID_BYTES = 37,
};

struct monitor_event {
	char name[MONITOR_NAME_BYTES];
	struct json_object *data; /* may be NULL; put by the receiver */
	int64_t time_us;	  /* QEMU's clock, since 1970 */
};

struct guest_agent; /* vmguard/guest_agent.h */
struct hypervisor;
struct hypervisor_ops {
	const char *name;
	void (*close)(struct hypervisor *h);

	/*
	 * Runs a QMP command. `arguments` (may be NULL) is released in any case; pass_fd >= 0 goes
	 * along and stays the caller's; *result (may be NULL) is put by the caller. -EREMOTEIO:
	 * QEMU refused, with its class and words; -ETIMEDOUT; -ECONNRESET: QEMU is gone.
	 */
	int (*execute)(struct hypervisor *h, const char *command, struct json_object *arguments,
		       int pass_fd, struct json_object **result, struct fault *f);

	/*
	 * As execute(), out of band: also while another command hangs. -EOPNOTSUPP: the monitor
	 * has no such thing. `libvirt` runs it in band, so that it hangs where QEMU's main loop
	 * does: -ETIMEDOUT.
	 */
	int (*execute_oob)(struct hypervisor *h, const char *command, struct json_object *arguments,
			   struct fault *f);

	/*
	 * 1: *event is filled, 0: none within limit_ms, else an error. After MONITOR_EVENTS_LOST
	 * whoever waits for something has to ask how it is. -EHOSTUNREACH: whoever holds the
	 * monitor is away; QEMU may live.
	 */
	int (*event)(struct hypervisor *h, int limit_ms, struct monitor_event *event,
		     struct fault *f);

	/* -1 where it cannot be known. */
	pid_t (*pid)(const struct hypervisor *h);

	/* Of the monitor connection; stays the backend's. -1: it has none. */
	int (*fd)(const struct hypervisor *h);

	/*
	 * Optional. The definition of the guest as it runs, from which its manager could start it
	 * elsewhere, secrets included; the caller frees *xml.
	 */
	int (*describe)(struct hypervisor *h, char **xml, struct fault *f);

	/* Optional. What its manager calls the disk of a device ("virtio-disk0" is "vda"). -ENOENT.
	 */
	int (*disk_name)(struct hypervisor *h, const char *device, char name[MONITOR_NAME_BYTES],
			 struct fault *f);

	/*
	 * Optional. Whether the one who manages the guest leaves it alone, so that a snapshot can
	 * begin. Changes nothing. -EPERM: it has work of its own under way, or another mind.
	 */
	int (*check)(struct hypervisor *h, struct fault *f);

	/*
	 * Optional. The guest's agent, where the one who manages the guest has its channel for
	 * himself. It is closed by the caller, and may be used by another thread than h.
	 */
	int (*agent)(struct hypervisor *h, struct guest_agent **a, struct fault *f);
};

/* The name of an event that QEMU did not send: there were others that nobody could receive. */
#define MONITOR_EVENTS_LOST "VMGUARD_EVENTS_LOST"

/* Backends embed it first. */
struct hypervisor {
	const struct hypervisor_ops *ops;
	char where[192];       /* names the guest in messages: the socket, the domain */
	char qemu_version[32]; /* "7.2.22" */
	char guest[128];       /* what its manager calls the guest; "": it has no name */
	bool by_descriptor;    /* its QEMU may not have our rights: it gets descriptors, no paths */
};

/* Connects to the QMP socket of a QEMU. */
int hypervisor_open_qmp(const char *socket, struct hypervisor **h, struct fault *f);

/*
 * Goes on with a connection to it that somebody else opened and left (qmp_adopt). Asks it nothing.
 * Owns fd, also on failure.
 */
int hypervisor_adopt_qmp(int fd, const char *socket, const char *qemu_version,
			 struct hypervisor **h, struct fault *f);
void hypervisor_close(struct hypervisor *h); /* accepts NULL */
SCOPE_CLOSER(hypervisor_close, struct hypervisor)

static inline int hypervisor_execute(struct hypervisor *h, const char *command,
				     struct json_object *arguments, struct json_object **result,
				     struct fault *f)
{
	return h->ops->execute(h, command, arguments, -1, result, f);
}

static inline int hypervisor_execute_oob(struct hypervisor *h, const char *command,
					 struct json_object *arguments, struct fault *f)
{
	return h->ops->execute_oob(h, command, arguments, f);
}

static inline int hypervisor_event(struct hypervisor *h, int limit_ms, struct monitor_event *event,
				   struct fault *f)
{
	return h->ops->event(h, limit_ms, event, f);
}

static inline int hypervisor_check(struct hypervisor *h, struct fault *f)
{
	return h->ops->check ? h->ops->check(h, f) : 0;
}

/* *xml is NULL where there is no definition. */
static inline int hypervisor_describe(struct hypervisor *h, char **xml, struct fault *f)
{
	*xml = NULL;
	return h->ops->describe ? h->ops->describe(h, xml, f) : 0;
}

/* 1: it has no names of its own. */
static inline int hypervisor_disk_name(struct hypervisor *h, const char *device,
				       char name[MONITOR_NAME_BYTES], struct fault *f)
{
	return h->ops->disk_name ? h->ops->disk_name(h, device, name, f) : 1;
}

static inline pid_t hypervisor_pid(const struct hypervisor *h)
{
	return h->ops->pid(h);
}

static inline int hypervisor_fd(const struct hypervisor *h)
{
	return h->ops->fd(h);
}

/* What QEMU says of the guest ("running", "paused", "inmigrate", …) into a buffer of 32 bytes. */
int hypervisor_run_state(struct hypervisor *h, char state[32], struct fault *f);

/* What QEMU says of its migration ("none", "active", "completed", "failed", …), 32 bytes. */
int hypervisor_migration_status(struct hypervisor *h, char status[32], struct fault *f);

/* Whether this status says that no migration and no snapshot is under way. */
bool migration_is_over(const char *status);

/* What the guest takes for its machine's UUID, in lower case; "": none was given to QEMU. */
int hypervisor_uuid(struct hypervisor *h, char uuid[HYPERVISOR_UUID_BYTES], struct fault *f);

/* The guest's RAM, without video memory and firmware. */
int hypervisor_ram_bytes(struct hypervisor *h, uint64_t *bytes, struct fault *f);

/* The threads of its virtual CPUs (query-cpus-fast). The caller frees *threads. */
int hypervisor_vcpu_threads(struct hypervisor *h, pid_t **threads, size_t *count, struct fault *f);

/*
 * The CPUs that this process may use and on which no virtual CPU of the guest may run; all that
 * it may use where that leaves none.
 */
int hypervisor_spare_cpus(struct hypervisor *h, cpu_set_t *set, struct fault *f);

/* Switches one migration capability. */
int hypervisor_set_capability(struct hypervisor *h, const char *capability, bool on,
			      struct fault *f);

/*
 * Makes QEMU refuse to be saved or migrated, in words that hold MIGRATION_BAR, until it is
 * unbarred. What is under way goes on. It is the migration parameter tls-creds: every stream begins
 * with credentials that nobody has (migration/tls.c).
 */
int hypervisor_bar_migration(struct hypervisor *h, struct fault *f);
/* Of one that is known to be there. */
int hypervisor_lift_bar(struct hypervisor *h, struct fault *f);
/* Only where it is barred so; credentials of others stay. */
int hypervisor_unbar_migration(struct hypervisor *h, struct fault *f);

#define MIGRATION_BAR "vmguard takes a snapshot, or was killed (vmguard rescue)"

/* Gives QEMU a descriptor under a name (getfd). The descriptor stays the caller's. */
int hypervisor_give_fd(struct hypervisor *h, int fd, const char *name, struct fault *f);

/*
 * Whether this is the event MIGRATION; its status goes into 32 bytes.
 */
bool event_is_migration(const struct monitor_event *event, char status[32]);

/* ---- a QEMU of our own ---------------------------------------------------------------- */

struct qemu_process {
	pid_t pid;
	char socket[108]; /* its QMP socket */
	char log[256];	  /* what it prints */
};

/*
 * Starts a QEMU detached from the terminal, with `-incoming defer` and a QMP socket added, its
 * standard output and error in a log file. Both files get names from `guest` in the run
 * directory. Does not wait for it. -EINVAL: the command has -incoming or -daemonize.
 */
int qemu_start(char *const command[], const char *guest, struct qemu_process *p, struct fault *f);

/* Waits until its monitor answers. -ECHILD: it ended at once, with the last words of its log. */
int qemu_connect(struct qemu_process *p, struct hypervisor **h, struct fault *f);

/* Kills a QEMU that was started here and removes its files; accepts pid 0. */
void qemu_kill(struct qemu_process *p);

/* Adds the last line of QEMU's log to a fault, where there is one. */
void qemu_explain(const struct qemu_process *p, struct fault *f);

/* ---- the run directory ---------------------------------------------------------------- */

/*
 * Where sockets, FIFOs and logs live: $VMGUARD_RUN_DIR, else /run/vmguard for root, else
 * $XDG_RUNTIME_DIR/vmguard, else /tmp/vmguard-UID. Made with mode 0700 where missing.
 */
int run_directory(char path[96], struct fault *f);
