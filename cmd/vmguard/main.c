/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard VERB …: finds the verb; each has a file of its own. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "complete.h"
#include "verb.h"
#include "vmguard/waker.h"

static const struct verb *const verbs[] = {
	&verb_snapshot,	  &verb_snapshots, &verb_info,	 &verb_diff,	&verb_verify,
	&verb_prune,	  &verb_restore,   &verb_clone,	 &verb_drill,	&verb_export,
	&verb_delete,	  &verb_rescue,	   &verb_check,	 &verb_hook,	&verb_status,
	&verb_protect,	  &verb_unprotect, &verb_policy, &verb_capture, &verb_resume,
	&verb_operations, &verb_cancel,	   &verb_events, NULL,
};

static void print_help(FILE *out)
{
	fprintf(out, "vmguard keeps running virtual machines in snapshots and continues them.\n\n"
		     "Usage: vmguard VERB [OPTIONS]\n\n");
	for (int i = 0; verbs[i]; i++)
		fprintf(out, "  %-11s %s\n", verbs[i]->name, verbs[i]->summary);
	fprintf(out, "\n'vmguard VERB --help' tells about one of them, vmguard(1) about all.\n");
}

static const struct verb *find_verb(const char *name)
{
	for (int i = 0; verbs[i]; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN); /* a reader that left is an error of write() */
	if (!strcmp(name, WAKER_WORD))
		return waker_main(argc - 2, argv + 2);
	if (!strcmp(name, COMPLETE_WORD))
		return complete_main(verbs, argc - 2, argv + 2);
	if (!strcmp(name, "--version")) {
		printf("vmguard %s\n", VMGUARD_VERSION);
		return EXIT_DONE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		print_help(stdout);
		return EXIT_DONE;
	}
	const struct verb *verb = find_verb(name);
	if (verb)
		return verb->run(argc - 1, argv + 1);
	if (*name)
		fprintf(stderr, "vmguard: there is no verb \"%s\"\n\n", name);
	print_help(stderr);
	return EXIT_USAGE;
}
