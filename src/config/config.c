/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/scope.h"

struct reading {
	struct config config;
	char wrong[160]; /* with the first line that is; "": none is, or it has no setting */
};

static bool read_when_down(struct config *c, const char *value)
{
	if (!strcmp(value, "allow"))
		c->hook_when_down = HOOK_ALLOW;
	else if (!strcmp(value, "refuse"))
		c->hook_when_down = HOOK_REFUSE;
	else
		return false;
	return true;
}

static const struct {
	const char *name, *values;
	bool (*read)(struct config *c, const char *value);
} settings[] = {
	{"hook-when-down", "allow or refuse", read_when_down},
};

/* For inih: 0 is an error. */
static int complain(struct reading *r, const char *format, const char *a, const char *b)
{
	if (!r->wrong[0])
		snprintf(r->wrong, sizeof(r->wrong), format, a, b);
	return 0;
}

static int take(void *reading, const char *section, const char *name, const char *value)
{
	struct reading *r = reading;

	if (*section)
		return complain(r, "there is no section [%s]%s", section, "");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(name, settings[i].name) != 0)
			continue;
		return settings[i].read(&r->config, value)
			       ? 1
			       : complain(r, "%s is %s", name, settings[i].values);
	}
	return complain(r, "there is no setting %s%s", name, "");
}

int config_read(const char *path, struct config *c, struct fault *f)
{
	struct reading r = {0};
	FILE *file = fopen(path, "re");

	*c = (struct config){0};
	if (!file && errno == ENOENT)
		return 0;
	if (!file)
		return fault_errno(f, -errno, "read %s", path);
	int line = ini_parse_file(file, take, &r);
	if (ferror(file))
		line = -1;
	fclose(file);
	if (line > 0)
		return fault_set(f, -EINVAL, "%s:%d: %s", path, line,
				 r.wrong[0] ? r.wrong : "that is not NAME = VALUE");
	if (line < 0)
		return fault_set(f, -EIO, "%s cannot be read", path);
	*c = r.config;
	return 0;
}
