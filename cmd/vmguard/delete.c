/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard delete: forgets a checkpoint, or a guest. */
#include <stdio.h>

#include "verb.h"

static int delete_target(const struct arguments *a, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	struct target target;
	int r = parse_target(a->rest[0], &target, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	if (!r)
		r = checkpoint_delete(store, target.guest, target.number, f);
	return r < 0 ? fault_wrap(f, "delete %s", a->rest[0]) : 0;
}

static int delete_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_delete, "store key-file", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1)
		return usage_error(&verb_delete, "one NAME or NAME@N is needed");
	return delete_target(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_delete = {
	.name = "delete",
	.summary = "Deletes a checkpoint, or all of a guest's.",
	.usage = "--store URI NAME[@N] [--key-file FILE]",
	.help = HELP_STORE "  NAME@N            this checkpoint\n"
			   "  NAME              all checkpoints of the guest\n" HELP_KEY,
	.run = delete_run,
};
