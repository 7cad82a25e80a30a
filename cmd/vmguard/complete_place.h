/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may stand at the cursor of a command line that is being typed. Pure: it asks nobody.
 *
 *	vmguard info --store dir:/srv web@_      COMPLETE_TARGETS, begun "web@"
 *	vmguard events --guest=we_               COMPLETE_GUESTS, begun "we", behind "--guest="
 */
#pragma once

#include "verb.h"

enum complete_kind {
	COMPLETE_NOTHING,
	COMPLETE_VERBS,
	COMPLETE_OPTIONS, /* of the verb */
	COMPLETE_WORDS,	  /* those of `choices` */
	COMPLETE_STORES,
	COMPLETE_SETTINGS, /* KEY=VALUE of a policy */
	COMPLETE_FILES,
	COMPLETE_COMMANDS,
	COMPLETE_DOMAINS, /* of libvirt, that run */
	COMPLETE_GUESTS,  /* that are protected */
	COMPLETE_STORED,  /* guests of the store */
	COMPLETE_TARGETS, /* NAME or NAME@N of the store */
	COMPLETE_CHECKPOINTS,
	COMPLETE_OPERATIONS,
};

/* What is typed behind "vmguard", up to the cursor: the last word, maybe "", is the one that is
 * being typed. */
struct complete_line {
	const struct verb *const *verbs; /* that there are, up to NULL */
	char *const *words;
	int count; /* at least 1 */
};

struct complete_place {
	enum complete_kind kind;
	const struct verb *verb; /* NULL: none yet, or no such */
	const char *begun;	 /* the end of the last word, from where it is to be completed */
	const char *choices;	 /* "lazy full" */
};

/* The pointers are into the line and constants. */
struct complete_place complete_find(const struct complete_line *l);

/* Whether a verb takes --KEY VALUE for every setting of a policy. */
bool complete_takes_settings(const struct verb *verb);
bool complete_is_setting(const char *name);

/*
 * The next option that a help describes, from *help on, which is moved: its name begins at what is
 * returned and is *length long. NULL: no more.
 */
const char *complete_option(const char **help, size_t *length);
