/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard export: a checkpoint as a plain incoming stream. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "verb.h"
#include "vmguard/clock.h"
#include "vmguard/restore.h"

/* Writes to FILE.part and renames: a file of this name is whole. */
static int export_to_file(struct checkpoint *c, const char *path,
			  const struct restore_options *options, struct fault *f)
{
	struct restore_result result;
	char part[4096];

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return fault_set(f, -ENAMETOOLONG, "%s is too long", path);
	auto_fd int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_errno(f, -errno, "write %s", part);
	int r = restore_export(c, fd, options, &result, f);
	if (!r && fsync(fd) < 0 && errno != EINVAL)
		r = fault_errno(f, -errno, "write %s", part);
	if (!r && rename(part, path) < 0)
		r = fault_errno(f, -errno, "rename %s", part);
	if (r < 0)
		unlink(part);
	return r < 0 ? fault_wrap(f, "export to %s", path) : 0;
}

static int export_checkpoint(const struct arguments *a, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct restore_options options = {
		.since_ms = monotonic_ms(),
		.stop = interrupt_catch("\nstopping\n"),
	};
	struct restore_result result;
	struct target target;
	int r = parse_target(a->rest[0], &target, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	if (!r)
		r = checkpoint_open(store, target.guest, target.number, &c, f);
	if (r < 0)
		return r;
	if (a->no_verify)
		checkpoint_skip_verify(c);
	if (strcmp(a->rest[1], "-") != 0)
		return export_to_file(c, a->rest[1], &options, f);
	return restore_export(c, STDOUT_FILENO, &options, &result, f);
}

static int export_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_export, "store no-verify key-file", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 2)
		return usage_error(&verb_export, "a guest and a file are needed");
	if (!strcmp(a.rest[1], "-") && isatty(STDOUT_FILENO))
		return usage_error(&verb_export, "a terminal is no place for a guest's memory");
	return export_checkpoint(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_export = {
	.name = "export",
	.summary = "Writes a checkpoint as a stream that QEMU takes without vmguard.",
	.usage = "--store URI NAME[@N] FILE|- [--no-verify]",
	.help = HELP_STORE
	"  NAME[@N]          the guest, and which checkpoint; default its newest\n"
	"  FILE              for qemu -incoming 'exec:cat FILE'; - is standard output\n"
	"  --no-verify       write damaged pages as they are\n" HELP_KEY,
	.run = export_run,
};
