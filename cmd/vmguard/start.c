/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/record.h"

/* A QEMU without a UUID is known by the guest's name in the store, which is the domain's. */
static bool is_of(const struct start *s, const struct record *r)
{
	return r->uuid[0] ? !strcmp(r->uuid, s->uuid) : !strcmp(r->guest, s->guest);
}

struct question {
	const struct start *start;
	bool is_refused;
};

static int refuse_restored(void *question, const struct holder *qemu, const struct record *r,
			   struct fault *f)
{
	struct question *q = question;
	const struct start *s = q->start;

	q->is_refused = is_of(s, r);
	if (!q->is_refused)
		return 0;
	return fault_set(f, -EPERM,
			 "guest %s is being restored on this host from %s@%" PRIu64 " of %s, by "
			 "QEMU process %" PRId64 " (%u %% of its memory is there), and would run "
			 "twice: go on with that one, or end that process first",
			 s->guest, r->guest, r->number, r->store, qemu->pid, r->percent);
}

int start_may(const struct start *s, struct fault *f)
{
	struct question q = {.start = s};
	int r = record_each(refuse_restored, &q, f);

	if (r == -EPERM && !q.is_refused) /* a run directory that cannot be trusted */
		f->code = r = -EIO;
	return r;
}

static bool is_protected(const struct start *s, const char *folder)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, s->uuid);
	return access(path, F_OK) == 0;
}

int start_decide(const struct start *s, const char *config_file, const char *protected_folder,
		 struct fault *f)
{
	struct config c;
	struct fault wrong;

	if (!is_protected(s, protected_folder))
		return 0;
	if (config_read(config_file, NULL, &c, &wrong) < 0)
		*f = wrong;
	else if (c.hook_when_down == HOOK_ALLOW)
		return 0;
	f->code = -EPERM;
	return fault_wrap(f,
			  "guest %s is protected and does not start while vmguard cannot tell "
			  "whether it may (hook-when-down = allow in %s lets it)",
			  s->guest, config_file);
}
