/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/xml.h"

#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

/* The next element of this name from here on, NULL: none. */
static xmlNode *element(xmlNode *node, const char *name)
{
	while (node && (node->type != XML_ELEMENT_NODE || strcmp((char *)node->name, name) != 0))
		node = node->next;
	return node;
}

static xmlNode *child(xmlNode *node, const char *name)
{
	return node ? element(node->children, name) : NULL;
}

/* Copies an attribute; false: it is missing or too long. */
static bool attribute(xmlNode *node, const char *name, char text[MONITOR_NAME_BYTES])
{
	xmlChar *value = node ? xmlGetProp(node, (const xmlChar *)name) : NULL;
	bool fits = value && strlen((char *)value) < MONITOR_NAME_BYTES;

	if (fits)
		snprintf(text, MONITOR_NAME_BYTES, "%s", (char *)value);
	xmlFree(value);
	return fits;
}

static bool find_disk(xmlNode *disk, const char *device, char target[MONITOR_NAME_BYTES])
{
	char alias[MONITOR_NAME_BYTES];

	for (; disk; disk = element(disk->next, "disk"))
		if (attribute(child(disk, "alias"), "name", alias) && !strcmp(alias, device))
			return attribute(child(disk, "target"), "dev", target);
	return false;
}

bool xml_disk_target(const char *xml, const char *device, char target[MONITOR_NAME_BYTES])
{
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNode *devices = document ? child(xmlDocGetRootElement(document), "devices") : NULL;
	bool found = find_disk(child(devices, "disk"), device, target);

	xmlFreeDoc(document);
	return found;
}
