/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URIs of the RBD backend. */
#include "rbd_location.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies the text up to `end`. */
static int take_text(char *to, size_t room, const char *text, const char *end, const char *what,
		     struct fault *f)
{
	size_t length = (size_t)(end - text);

	if (!length)
		return fault_set(f, -EINVAL, "the %s is empty", what);
	if (length >= room)
		return fault_set(f, -EINVAL, "the %s has more than %zu characters", what, room - 1);
	memcpy(to, text, length);
	to[length] = '\0';
	return 0;
}

static int take_timeout(int *seconds, const char *text, const char *end, struct fault *f)
{
	char *stop;
	long value = strtol(text, &stop, 10);

	if (stop != end || stop == text || value < 1 || value > RBD_TIMEOUT_SECONDS_MAX)
		return fault_set(f, -EINVAL, "timeout=%.*s: give 1 to %d seconds",
				 (int)(end - text), text, RBD_TIMEOUT_SECONDS_MAX);
	*seconds = (int)value;
	return 0;
}

static int take_option(struct rbd_location *l, const char *option, const char *end, struct fault *f)
{
	const char *value = memchr(option, '=', (size_t)(end - option));
	size_t key = value ? (size_t)(value - option) : 0;

	if (value)
		value++;
	if (key == 4 && !memcmp(option, "conf", key))
		return take_text(l->conf, sizeof(l->conf), value, end, "conf", f);
	if (key == 2 && !memcmp(option, "id", key))
		return take_text(l->user, sizeof(l->user), value, end, "id", f);
	if (key == 7 && !memcmp(option, "timeout", key))
		return take_timeout(&l->timeout_seconds, value, end, f);
	return fault_set(f, -EINVAL,
			 "\"%.*s\" is unknown: conf=FILE, id=USER and timeout=SECONDS are known",
			 (int)(end - option), option);
}

int rbd_location_parse(struct rbd_location *l, const char *text, struct fault *f)
{
	const char *end = strchrnul(text, '?');
	const char *slash = memchr(text, '/', (size_t)(end - text));

	*l = (struct rbd_location){.user = "admin", .timeout_seconds = RBD_TIMEOUT_SECONDS};
	int r = take_text(l->pool, sizeof(l->pool), text, slash ? slash : end, "pool", f);
	if (r == 0 && slash)
		r = take_text(l->prefix, sizeof(l->prefix), slash + 1, end, "image prefix", f);
	if (r == 0 && strpbrk(l->prefix, "/@"))
		r = fault_set(f, -EINVAL, "image prefix %s: / and @ are not allowed", l->prefix);
	while (r == 0 && *end) {
		const char *option = end + 1;

		end = strchrnul(option, '&');
		r = take_option(l, option, end, f);
	}
	return r;
}
