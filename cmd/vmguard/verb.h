/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a verb of the command line is, and what verbs share. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"
#include "vmguard/json_add.h"
#include "vmguard/monitor.h"
#include "vmguard/retention.h"
#include "vmguard/store.h"
#include "vmguard/values.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3, /* nothing was changed: try again when what is said holds */
	EXIT_PARTLY = 4,  /* the guest runs, but not all that was asked for came true */
};

struct verb {
	const char *name;
	const char *summary;
	const char *usage;		   /* behind "vmguard NAME " */
	const char *help;		   /* the options, a line each */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; an exit_code */
};

extern const struct verb verb_snapshot;
extern const struct verb verb_snapshots;
extern const struct verb verb_info;
extern const struct verb verb_diff;
extern const struct verb verb_verify;
extern const struct verb verb_prune;
extern const struct verb verb_restore;
extern const struct verb verb_export;
extern const struct verb verb_delete;
extern const struct verb verb_rescue;
extern const struct verb verb_clone;
extern const struct verb verb_drill;
extern const struct verb verb_check;
extern const struct verb verb_hook;
extern const struct verb verb_status;
extern const struct verb verb_protect;
extern const struct verb verb_unprotect;
extern const struct verb verb_policy;
extern const struct verb verb_capture;
extern const struct verb verb_resume;
extern const struct verb verb_operations;
extern const struct verb verb_cancel;
extern const struct verb verb_events;

/* What several verbs say in their help. */
#define HELP_STORE                                                                 \
	"  --store URI       dir:PATH or rbd:POOL[/PREFIX][?conf=FILE&id=USER];\n" \
	"                    default: that of vmguard.conf\n"
#define HELP_DAEMON                                                                   \
	"  --socket PATH     where vmguardd answers; default: that of vmguard.conf\n" \
	"  --host URL        instead, another host's: https://NAME:PORT, with\n"      \
	"  --cert FILE --cert-key FILE --ca FILE\n"                                   \
	"                    who asks there, and whose certificate is believed\n"
#define DAEMON_OPTIONS "socket host cert cert-key ca "
#define HELP_GUEST                                                      \
	"  --qmp PATH        the QMP socket of the guest's QEMU, or\n"  \
	"  --domain NAME     the name or UUID of a domain of libvirt\n" \
	"  --connect URI     which libvirt; default as virsh chooses, on this host\n"
#define HELP_KEY "  --key-file FILE   the key of encrypted images: all bytes of the file\n"
#define HELP_KEEP                                                                          \
	"  --keep-last N     keep the N newest checkpoints\n"                              \
	"  --keep-hourly N   and the newest one of N further hours\n"                      \
	"  --keep-daily N    and the newest one of N further days\n"                       \
	"  --keep-weekly N   and the newest one of N further weeks; what no rule\n"        \
	"                    keeps is deleted, unless it is protected, damaged or being\n" \
	"                    restored\n"

/* ---- arguments.c ---------------------------------------------------------------------- */

/* What the verbs can be told; each accepts some of it. */
struct arguments {
	const char *qmp;
	const char *connect, *domain; /* of libvirt */
	const char *store;
	const char *name;
	const char *as, *network;
	const char *expect;
	const char *mode;
	const char *disks; /* of a restore: rollback, clone or keep */
	const char *transfer_cpus;
	const char *protect, *unprotect, *release; /* NAME@N */
	const char *key_file;
	const char *socket, *host, *cert, *cert_key, *ca; /* of a vmguardd */
	const char *guest;
	uint64_t spool_bytes;
	uint64_t max_rate; /* bytes a second */
	int64_t every_ms;  /* 0: once */
	int64_t store_wait_ms;
	int64_t timeout_ms;
	uint64_t count;
	uint64_t keep_last, keep_hourly, keep_daily, keep_weekly;
	bool allow_resume;
	bool without_disks;
	bool define;
	bool yes;
	bool dry_run;
	bool keep_clock, keep_network;
	bool no_verify;
	bool resume;
	bool encrypt;
	bool whole;
	bool watch, follow, no_wait;
	bool json;
	char **rest; /* what stands behind the options, up to NULL */
	int rest_count;
};

/*
 * Reads argv for a verb that accepts the options of `accepted`, "qmp store json" say. Those that
 * ask for a store need it, but for "[store]". Returns false after it has said what is wrong, or
 * printed the help: *exit is then the exit code.
 */
bool arguments_read(const struct verb *verb, const char *accepted, int argc, char **argv,
		    struct arguments *a, int *exit);

/* Whether an option, "store" say, has a value. */
bool arguments_takes_value(const char *name);

/* Says what is wrong with the command line and how it goes. Gives EXIT_USAGE. */
int usage_error(const struct verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void verb_help(const struct verb *verb);

/* The --keep-… among them. */
struct retention arguments_retention(const struct arguments *a);

/* Whether --qmp or --domain names one running guest, else says what is wrong. */
bool arguments_name_monitor(const struct verb *verb, const struct arguments *a, int *exit);
struct monitor_address arguments_monitor(const struct arguments *a);
int arguments_open_monitor(const struct arguments *a, struct hypervisor **h, struct fault *f);

/* Opens --store, with --key-file where it is given. */
int arguments_open_store(const struct arguments *a, struct store **s, struct fault *f);

/* ---- target.c ------------------------------------------------------------------------- */

/* A guest and maybe a checkpoint of it: NAME or NAME@N. */
struct target {
	char guest[STORE_NAME_BYTES];
	uint64_t number; /* 0: none given */
};

int parse_target(const char *text, struct target *t, struct fault *f);
/* NAME@N alone. */
int parse_checkpoint(const char *text, struct target *t, struct fault *f);

/* ---- guests.c ------------------------------------------------------------------------- */

/*
 * Calls `each` for every guest of a store, by name. One that fails must not hide the others: it is
 * told, and the first failure is returned.
 */
int guests_each(struct store *s, int (*each)(void *context, const char *guest, struct fault *f),
		void *context, struct fault *f);

/* ---- output.c ------------------------------------------------------------------------- */

/* Prints a fault that is not the end of it. */
void tell_fault(void *unused, const struct fault *f);

/* Prints a fault and gives the exit code that belongs to it. */
int report_fault(const struct fault *f);

/* "12.3 MiB" into 16 bytes. */
const char *format_bytes(uint64_t bytes, char text[16]);

/* "2026-11-22 17:23:05" in local time into 32 bytes. */
const char *format_time(int64_t time_ms, char text[32]);

/* "web1@3" into TARGET_BYTES. */
enum { TARGET_BYTES = STORE_NAME_BYTES + 24 };
const char *format_target(const char *guest, uint64_t number, char text[TARGET_BYTES]);

double percent(uint64_t part, uint64_t whole); /* 0 of nothing */

struct progress_bar {
	const char *what; /* "snapshot web1" */
	uint64_t total, done;
	uint64_t bytes;
	int64_t elapsed_ms;
	const char *note; /* stands behind; NULL: none */
};

/* Draws on standard error where that is a terminal, at most ten times a second. */
void progress_draw(const struct progress_bar *bar);
/* Wipes it, before something else is printed. */
void progress_wipe(void);

/* ---- json.c --------------------------------------------------------------------------- */

void json_add_holders(struct json_object *o, const char *key, const struct holder *holders,
		      size_t count);
/* Adds the parts of a pause as "pause_parts_ms", where the guest was stopped for its disks. */
void json_add_pause(struct json_object *o, const struct pause_parts *p);

/* Prints an object as one line, at once, and puts it. */
void json_print(struct json_object *o);

/* ---- interrupt.c ---------------------------------------------------------------------- */

/* From here on SIGINT and SIGTERM set this and print `say` once. */
const volatile int *interrupt_catch(const char *say);
