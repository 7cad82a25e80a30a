/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vmguard's fault.c is to vmguard; libqmp has its own so that it needs nothing else. */
#include "qmp/qmp_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int qmp_error_set(struct qmp_error *e, int code, const char *format, ...)
{
	va_list arguments;

	e->code = code;
	e->class[0] = '\0';
	va_start(arguments, format);
	vsnprintf(e->text, sizeof(e->text), format, arguments);
	va_end(arguments);
	return code;
}

int qmp_error_wrap(struct qmp_error *e, const char *format, ...)
{
	char cause[sizeof(e->text)];
	va_list arguments;

	memcpy(cause, e->text, sizeof(cause));
	va_start(arguments, format);
	vsnprintf(e->text, sizeof(e->text), format, arguments);
	va_end(arguments);
	size_t used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, ": %s", cause);
	return e->code;
}
