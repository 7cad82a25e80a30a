/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/document.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

static int parse_fault(xmlParserCtxtPtr parser, struct fault *f)
{
	const xmlError *e = xmlCtxtGetLastError(parser);
	int length = e && e->message ? (int)strcspn(e->message, "\n") : 0;

	if (!length)
		return fault_set(f, -EBADMSG, "that is no XML");
	return fault_set(f, -EBADMSG, "that is no XML: line %d: %.*s", e->line, length, e->message);
}

static int parse(struct document *d, const char *xml, size_t bytes, struct fault *f)
{
	static const int options =
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
	xmlParserCtxtPtr parser = xmlNewParserCtxt();
	int r = 0;

	if (!parser)
		return fault_errno(f, -ENOMEM, "read the XML");
	d->tree = xmlCtxtReadMemory(parser, xml, (int)bytes, NULL, NULL, options);
	if (!d->tree)
		r = parse_fault(parser, f);
	else if (d->tree->intSubset) /* entities in it could grow without end */
		r = fault_set(f, -EBADMSG, "that is no definition: it has a document type");
	xmlFreeParserCtxt(parser);
	return r;
}

int document_read(const char *xml, size_t bytes, struct document **d, struct fault *f)
{
	if (bytes > DOCUMENT_BYTES)
		return fault_set(f, -EFBIG, "%zu MiB of XML are no domain's definition",
				 bytes >> 20);
	auto_of(document_close) struct document *made = calloc(1, sizeof(*made));
	if (!made)
		return fault_errno(f, -ENOMEM, "read the XML");
	int r = parse(made, xml, bytes, f);
	if (r < 0)
		return r;
	made->context = xmlXPathNewContext(made->tree);
	if (!made->context)
		return fault_errno(f, -ENOMEM, "read the XML");
	*d = give(made);
	return 0;
}

void document_close(struct document *d)
{
	if (!d)
		return;
	xmlXPathFreeContext(d->context);
	xmlFreeDoc(d->tree);
	free(d);
}

/* The expressions are constants of ours: NULL is a lack of memory, or a node that lacks it. */
static xmlXPathObjectPtr evaluate(struct document *d, xmlNodePtr from, const char *expression)
{
	d->context->node = from ? from : xmlDocGetRootElement(d->tree);
	return xmlXPathEval((const xmlChar *)expression, d->context);
}

void document_text(struct document *d, xmlNodePtr from, const char *expression, char *text,
		   size_t bytes)
{
	xmlXPathObjectPtr found = evaluate(d, from, expression);
	xmlChar *string = found ? xmlXPathCastToString(found) : NULL;

	snprintf(text, bytes, "%s", string ? (const char *)string : "");
	xmlFree(string);
	xmlXPathFreeObject(found);
}

bool document_has(struct document *d, xmlNodePtr from, const char *expression)
{
	xmlXPathObjectPtr found = evaluate(d, from, expression);
	bool has = found && xmlXPathCastToBoolean(found);

	xmlXPathFreeObject(found);
	return has;
}

int document_each(struct document *d, xmlNodePtr from, const char *expression,
		  int (*each)(void *context, struct document *d, xmlNodePtr node), void *context)
{
	xmlXPathObjectPtr found = evaluate(d, from, expression);
	int count = found && found->nodesetval ? found->nodesetval->nodeNr : 0;
	int r = found ? 0 : -ENOMEM;

	for (int i = 0; r >= 0 && i < count; i++) {
		xmlNodePtr node = found->nodesetval->nodeTab[i];

		found->nodesetval->nodeTab[i] = NULL; /* it may be gone after the call */
		r = each(context, d, node);
	}
	xmlXPathFreeObject(found);
	return r;
}
