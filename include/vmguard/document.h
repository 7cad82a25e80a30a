/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An XML document, asked by XPath: a definition of libvirt's. Nothing outside of it is ever read:
 * no DTD, no entities. It belongs to one thread at a time.
 */
#pragma once

#include <libxml/xpath.h>
#include <stdbool.h>
#include <stddef.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum { DOCUMENT_BYTES = 8 << 20 }; /* more is not a domain's definition */

struct document {
	xmlDocPtr tree;
	xmlXPathContextPtr context;
};

/* -EBADMSG: no XML, says where; -EFBIG: more than DOCUMENT_BYTES. */
int document_read(const char *xml, size_t bytes, struct document **d, struct fault *f);
void document_close(struct document *d); /* accepts NULL */
SCOPE_CLOSER(document_close, struct document)

/* The text of an expression, seen from a node (NULL: the document), cut to the buffer. */
void document_text(struct document *d, xmlNodePtr from, const char *expression, char *text,
		   size_t bytes);
/* Whether there is anything that it names. */
bool document_has(struct document *d, xmlNodePtr from, const char *expression);

/*
 * Calls `each` for the nodes that it names, in their order, until it fails. It may change them, and
 * unlink them. -ENOMEM.
 */
int document_each(struct document *d, xmlNodePtr from, const char *expression,
		  int (*each)(void *context, struct document *d, xmlNodePtr node), void *context);
