/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changing a definition, node by node. A lack of memory is kept in mind, and makes the whole change
 * fail at its end: half of one would connect a guest to what is another's.
 */
#pragma once

#include "vmguard/definition.h"
#include "vmguard/document.h"

struct edit {
	struct document *document;
	const struct definition_identity *identity; /* NULL: it stays the same domain */
	const struct disk_list *disks;		    /* NULL: none are changed */
	bool no_memory;
	struct fault *fault;
};

/* Calls `each`, with the edit as its context, for the nodes of an expression. */
int edit_each(struct edit *e, const char *expression,
	      int (*each)(void *edit, struct document *d, xmlNodePtr node));

xmlNodePtr edit_child(xmlNodePtr node, const char *name); /* NULL: it has none */
/* Adds one, empty, before all others. NULL: no memory. */
xmlNodePtr edit_add_child(struct edit *e, xmlNodePtr node, const char *name);
void edit_remove(xmlNodePtr node); /* accepts NULL */
/* Removes the children of these names, or all but these. The list ends with NULL. */
void edit_remove_children(xmlNodePtr node, const char *const *names);
void edit_keep_children(xmlNodePtr node, const char *const *names);

void edit_set(struct edit *e, xmlNodePtr node, const char *attribute, const char *value);
void edit_unset(xmlNodePtr node, const char *attribute); /* also where it has none */
void edit_set_text(struct edit *e, xmlNodePtr node, const char *text);

/* The text of a node and all in it; NULL: no memory. Freed by the caller. */
char *edit_print(struct edit *e, xmlNodePtr node);

/* ---- the parts of a change --------------------------------------------------------------- */

/* Puts in the disks' sources; with an identity also looks for those that two would write to. */
int edit_disks(struct edit *e);
/* -EOPNOTSUPP: there is something that two cannot have. */
int edit_refuse(struct edit *e);
/* Name, UUID, and what is in files and sockets of its own. */
int edit_identify(struct edit *e);
/* Connects an interface to nothing. */
void edit_lead_nowhere(struct edit *e, xmlNodePtr interface);
