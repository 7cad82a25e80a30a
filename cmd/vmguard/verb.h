/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a verb of the command line is, and what verbs share. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/image.h"
#include "vmguard/store.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3, /* nothing was changed: try again when what is said holds */
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
extern const struct verb verb_restore;
extern const struct verb verb_export;
extern const struct verb verb_delete;
extern const struct verb verb_rescue;

/* ---- arguments.c ---------------------------------------------------------------------- */

/* What the verbs can be told; each accepts some of it. */
struct arguments {
	const char *qmp;
	const char *store;
	const char *name;
	const char *mode;
	uint64_t spool_bytes;
	bool allow_resume;
	bool json;
	char **rest; /* what stands behind the options, up to NULL */
	int rest_count;
};

/*
 * Reads argv for a verb that accepts the options of `accepted`, "qmp store json" say. Returns false
 * after it has said what is wrong, or printed the help: *exit is then the exit code.
 */
bool arguments_read(const struct verb *verb, const char *accepted, int argc, char **argv,
		    struct arguments *a, int *exit);

/* Says what is wrong with the command line and how it goes. Gives EXIT_USAGE. */
int usage_error(const struct verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void verb_help(const struct verb *verb);

/* "512M", "2G", bytes without letter; false: not a size. */
bool parse_size(const char *text, uint64_t *bytes);

/* A guest and maybe a checkpoint of it: NAME or NAME@N. */
struct target {
	char guest[STORE_NAME_BYTES];
	uint64_t number; /* 0: none given */
};

int parse_target(const char *text, struct target *t, struct fault *f);

/* ---- output.c ------------------------------------------------------------------------- */

/* Prints a fault and gives the exit code that belongs to it. */
int report_fault(const struct fault *f);

/* "12.3 MiB" into 16 bytes. */
const char *format_bytes(uint64_t bytes, char text[16]);

/* "2026-11-22 17:23:05" in local time into 32 bytes. */
const char *format_time(int64_t time_ms, char text[32]);

/* Adds microseconds as milliseconds with three digits. */
void json_add_ms(struct json_object *o, const char *key, int64_t us);

struct progress_bar {
	const char *what; /* "snapshot web1" */
	uint64_t total, done, zero;
	uint64_t bytes;
	int64_t elapsed_ms;
	bool show_zero;
};

/* Draws on standard error where that is a terminal, at most ten times a second. */
void progress_draw(const struct progress_bar *bar);
/* Wipes it, before something else is printed. */
void progress_wipe(void);

/* ---- interrupt.c ---------------------------------------------------------------------- */

/* From here on SIGINT and SIGTERM set this and print `say` once. */
const volatile int *interrupt_catch(const char *say);
