/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault texts. Never allocates and never logs. */
#include "vmguard/fault.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void fault_text(struct fault *f, const char *format, va_list arguments)
{
	vsnprintf(f->text, sizeof(f->text), format, arguments);
}

int fault_set(struct fault *f, int code, const char *format, ...)
{
	va_list arguments;

	assert(code < 0);
	va_start(arguments, format);
	fault_text(f, format, arguments);
	va_end(arguments);
	f->code = code;
	return code;
}

int fault_errno(struct fault *f, int code, const char *format, ...)
{
	va_list arguments;

	assert(code < 0);
	va_start(arguments, format);
	fault_text(f, format, arguments);
	va_end(arguments);
	size_t end = strlen(f->text);
	snprintf(f->text + end, sizeof(f->text) - end, ": %s", strerror(-code));
	f->code = code;
	return code;
}

int fault_wrap(struct fault *f, const char *format, ...)
{
	struct fault inner = *f;
	va_list arguments;

	va_start(arguments, format);
	fault_text(f, format, arguments);
	va_end(arguments);
	size_t end = strlen(f->text);
	snprintf(f->text + end, sizeof(f->text) - end, ": %s", inner.text);
	return f->code;
}
