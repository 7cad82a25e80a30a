/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int make_uuid(char uuid[LIBVIRT_UUID_BYTES], struct fault *f)
{
	FILE *file = fopen("/proc/sys/kernel/random/uuid", "re");
	bool whole = file && fscanf(file, "%36[-0-9a-f]", uuid) == 1 &&
		     strlen(uuid) == LIBVIRT_UUID_BYTES - 1;

	if (file)
		fclose(file);
	return whole ? 0 : fault_set(f, -EIO, "the kernel makes no UUID");
}

/* It becomes a part of the names of files and images too. */
int copy_name(struct copy *c, const char *name, struct fault *f)
{
	if (!*name || *name == '.' || strlen(name) >= sizeof(c->name) ||
	    strpbrk(name, "/@&<> \n\t"))
		return fault_set(f, -EINVAL,
				 "\"%s\" is no name for a domain: it has 1 to %zu characters, "
				 "none of / @ & < > or space, and no \".\" before all others",
				 name, sizeof(c->name) - 1);
	snprintf(c->name, sizeof(c->name), "%s", name);
	return make_uuid(c->uuid, f);
}

static int check_free(const struct copy *c, const char *uri, struct fault *f)
{
	struct libvirt_domain domain;
	int r = libvirt_domain_read(&domain, uri, c->xml, f);

	if (!r)
		r = libvirt_domain_check_free(&domain, f);
	if (!r && c->nvram[0] && access(c->nvram, F_OK) == 0)
		r = fault_set(f, -EEXIST, "there is a file %s already", c->nvram);
	return r;
}

/* What the copy will be, before any of it is made. */
static int design(struct copy *c, const char *uri, const struct manifest *m, struct fault *f)
{
	const struct definition_identity identity = {.name = c->name, .uuid = c->uuid};
	int r = disks_name_clones(&m->disks, c->suffix, &c->disks, f);

	c->original = strdup(m->xml);
	if (!r && !c->original)
		r = fault_errno(f, -ENOMEM, "change the definition");
	if (!r)
		r = definition_change(m->xml, &c->disks, &identity, &c->xml, f);
	if (!r)
		r = definition_nvram(c->xml, c->nvram, f);
	if (!r)
		r = check_free(c, uri, f);
	return r;
}

int copy_make(struct copy *c, const char *uri, const struct manifest *m, struct fault *f)
{
	int r = design(c, uri, m, f);

	if (!r && c->before)
		r = c->before(c->context, c, f);
	if (!r) {
		disk_list_clear(&c->disks);
		r = disks_clone(&m->disks, c->suffix, &c->disks, f);
	}
	if (r == -EEXIST)
		f->code = -EPERM;
	return r < 0 ? fault_wrap(f, "make \"%s\" of %s", c->name, m->guest) : 0;
}

int copy_remove(const struct copy *c, struct fault *f)
{
	if (c->nvram[0] && unlink(c->nvram) < 0 && errno != ENOENT)
		return fault_errno(f, -errno, "remove %s", c->nvram);
	return disks_remove_clones(&c->disks, f);
}

void copy_clear(struct copy *c)
{
	disk_list_clear(&c->disks);
	free(give(c->original));
	free(give(c->xml));
}
