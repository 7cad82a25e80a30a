/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A restore in a QEMU that is started here, by the command that the user gives. */
#include <string.h>
#include <unistd.h>

#include "restored.h"

static int restore_in_started(struct restored *out, struct source *source, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = qemu_connect(&out->qemu, &h, f);

	if (!r)
		r = restored_send(source->checkpoint, h, out, f);
	if (r < 0 && out->result.runs)
		return restored_stands_still(out, NULL, f);
	if (r < 0)
		qemu_explain(&out->qemu, f);
	return r;
}

/* The checkpoint is read while QEMU starts. */
static int restore_once(struct restored *out, struct source *source, struct fault *f)
{
	char **command = out->arguments->rest + 1;
	int r = qemu_start(command, out->target.guest, &out->qemu, f);

	if (!r)
		r = source_load(source, f);
	if (!r) {
		source_hold_for(out, source, out->qemu.pid);
		r = restore_in_started(out, source, f);
	}
	if (r < 0 && !out->result.runs)
		qemu_kill(&out->qemu);
	return r;
}

/* As long as there is no QEMU the checkpoint is held for ourselves. */
int restore_in_new(struct restored *out, struct fault *f)
{
	struct source source = {0};
	int r = source_open(out, &source, getpid(), f);

	if (!r)
		r = restored_disks(out, &source, f);
	if (!r)
		r = restore_once(out, &source, f);
	for (int i = 1; i < RESTORE_ATTEMPTS && restored_is_worth_another_try(out, r); i++)
		r = restore_once(out, &source, f);
	source_close(out, &source, r);
	return r;
}
