/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char open_tag[] = "<qemu:commandline>";
static const char close_tag[] = "</qemu:commandline>";
static const char end_tag[] = "</domain>";
static const char *const arguments[] = {"<qemu:arg value='-incoming'/>",
					"<qemu:arg value='defer'/>"};

bool definition_value(const char *xml, const char *element, char *value, size_t room)
{
	char tag[32];
	int length = snprintf(tag, sizeof(tag), "<%s>", element);
	const char *begin = strstr(xml, tag);
	const char *end = begin ? strchr(begin + length, '<') : NULL;

	if (!end || (size_t)(end - begin - length) >= room)
		return false;
	memcpy(value, begin + length, end - begin - length);
	value[end - begin - length] = '\0';
	return true;
}

static char *skip_space(char *at)
{
	return at + strspn(at, " \n\t");
}

/* Behind our arguments where they stand at this place, else NULL. */
static char *behind_arguments(char *at)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		at = skip_space(at);
		if (strncmp(at, arguments[i], strlen(arguments[i])) != 0)
			return NULL;
		at += strlen(arguments[i]);
	}
	return at;
}

static void cut(char *from, char *to)
{
	memmove(from, to, strlen(to) + 1);
}

/* Cuts our arguments out of an element, and the element where nothing is left of it. */
static void clean_element(char *element)
{
	char *at = element + strlen(open_tag);
	char *end;

	while ((end = strstr(element, close_tag)) && at < end) {
		char *behind = behind_arguments(at);

		if (behind)
			cut(at, behind);
		else
			at++;
	}
	if (end && skip_space(element + strlen(open_tag)) == end)
		cut(element, skip_space(end + strlen(close_tag)));
}

char *definition_clean(const char *xml)
{
	char *text = strdup(xml);
	char *at = text;

	while (at && (at = strstr(at, open_tag))) {
		char *element = at;

		clean_element(element);
		at = element + (strncmp(element, open_tag, strlen(open_tag)) == 0);
	}
	return text;
}

static char *find_last(char *text, const char *what)
{
	char *last = NULL;

	for (char *at = text; (at = strstr(at, what)); at++)
		last = at;
	return last;
}

char *definition_that_waits(const char *xml)
{
	char *clean = definition_clean(xml);
	char *end = clean ? find_last(clean, end_tag) : NULL;
	char *text = NULL;

	if (end &&
	    asprintf(&text,
		     "%.*s<qemu:commandline "
		     "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>%s%s%s%s",
		     (int)(end - clean), clean, arguments[0], arguments[1], close_tag, end) < 0)
		text = NULL;
	free(clean);
	return text;
}
