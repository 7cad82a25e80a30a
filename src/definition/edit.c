/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "definition/edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int edit_each(struct edit *e, const char *expression,
	      int (*each)(void *edit, struct document *d, xmlNodePtr node))
{
	int r = document_each(e->document, NULL, expression, each, e);

	if (r == -ENOMEM)
		e->no_memory = true;
	return r;
}

static bool is_named(xmlNodePtr node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !strcmp((const char *)node->name, name);
}

xmlNodePtr edit_child(xmlNodePtr node, const char *name)
{
	xmlNodePtr child = node->children;

	while (child && !is_named(child, name))
		child = child->next;
	return child;
}

xmlNodePtr edit_add_child(struct edit *e, xmlNodePtr node, const char *name)
{
	xmlNodePtr child = xmlNewDocNode(e->document->tree, NULL, (const xmlChar *)name, NULL);

	if (!child)
		e->no_memory = true;
	else if (node->children)
		xmlAddPrevSibling(node->children, child);
	else
		xmlAddChild(node, child);
	return child;
}

void edit_remove(xmlNodePtr node)
{
	if (!node)
		return;
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}

static bool is_listed(xmlNodePtr node, const char *const *names)
{
	for (; *names; names++)
		if (is_named(node, *names))
			return true;
	return false;
}

static void remove_children(xmlNodePtr node, const char *const *names, bool listed)
{
	xmlNodePtr next;

	for (xmlNodePtr child = node->children; child; child = next) {
		next = child->next;
		if (child->type == XML_ELEMENT_NODE && is_listed(child, names) == listed)
			edit_remove(child);
	}
}

void edit_remove_children(xmlNodePtr node, const char *const *names)
{
	remove_children(node, names, true);
}

void edit_keep_children(xmlNodePtr node, const char *const *names)
{
	remove_children(node, names, false);
}

void edit_set(struct edit *e, xmlNodePtr node, const char *attribute, const char *value)
{
	if (!xmlSetProp(node, (const xmlChar *)attribute, (const xmlChar *)value))
		e->no_memory = true;
}

void edit_unset(xmlNodePtr node, const char *attribute)
{
	xmlUnsetProp(node, (const xmlChar *)attribute);
}

void edit_set_text(struct edit *e, xmlNodePtr node, const char *text)
{
	xmlNodePtr made = xmlNewDocText(e->document->tree, (const xmlChar *)text);

	if (!made) {
		e->no_memory = true;
		return;
	}
	while (node->children)
		edit_remove(node->children);
	xmlAddChild(node, made);
}

char *edit_print(struct edit *e, xmlNodePtr node)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	char *text = NULL;

	if (buffer && xmlNodeDump(buffer, e->document->tree, node, 0, 0) >= 0)
		text = strdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	if (!text)
		e->no_memory = true;
	return text;
}
