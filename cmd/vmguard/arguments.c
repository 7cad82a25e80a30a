/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of a verb, and the forms that arguments have. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verb.h"

static const struct option all_options[] = {
	{"qmp", required_argument, NULL, 'q'},	 {"store", required_argument, NULL, 's'},
	{"name", required_argument, NULL, 'n'},	 {"mode", required_argument, NULL, 'm'},
	{"spool", required_argument, NULL, 'p'}, {"allow-resume", no_argument, NULL, 'r'},
	{"json", no_argument, NULL, 'j'},
};

enum { OPTIONS = sizeof(all_options) / sizeof(all_options[0]) };

void verb_help(const struct verb *verb)
{
	printf("%s\n\nUsage: vmguard %s %s\n\n%s", verb->summary, verb->name, verb->usage,
	       verb->help);
}

int usage_error(const struct verb *verb, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "vmguard %s: ", verb->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nUsage: vmguard %s %s\n", verb->name, verb->usage);
	return EXIT_USAGE;
}

static bool is_accepted(const char *accepted, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = accepted; (at = strstr(at, name)); at += length)
		if ((at == accepted || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

/* Those of all_options that the verb takes, and help; ended by an empty one. */
static void select_options(const char *accepted, struct option options[OPTIONS + 2])
{
	int count = 0;

	for (int i = 0; i < OPTIONS; i++)
		if (is_accepted(accepted, all_options[i].name))
			options[count++] = all_options[i];
	options[count++] = (struct option){"help", no_argument, NULL, 'h'};
	options[count] = (struct option){0};
}

static bool take_option(struct arguments *a, int option)
{
	switch (option) {
	case 'q':
		a->qmp = optarg;
		return true;
	case 's':
		a->store = optarg;
		return true;
	case 'n':
		a->name = optarg;
		return true;
	case 'm':
		a->mode = optarg;
		return true;
	case 'r':
		a->allow_resume = true;
		return true;
	case 'j':
		a->json = true;
		return true;
	case 'p':
		return parse_size(optarg, &a->spool_bytes);
	default:
		return false;
	}
}

static int refuse_option(const struct verb *verb, int option, char **argv)
{
	if (option == 'p')
		return usage_error(verb, "--spool %s is not a size: 512M or 2G, say", optarg);
	if (option == ':')
		return usage_error(verb, "%s needs a value", argv[optind - 1]);
	return usage_error(verb, "unknown option %s", argv[optind - 1]);
}

bool arguments_read(const struct verb *verb, const char *accepted, int argc, char **argv,
		    struct arguments *a, int *exit)
{
	struct option options[OPTIONS + 2];
	int option;

	*a = (struct arguments){0};
	select_options(accepted, options);
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h') {
			verb_help(verb);
			*exit = EXIT_DONE;
			return false;
		}
		if (!take_option(a, option)) {
			*exit = refuse_option(verb, option, argv);
			return false;
		}
	}
	a->rest = argv + optind;
	a->rest_count = argc - optind;
	if (is_accepted(accepted, "store") && !a->store) {
		*exit = usage_error(verb, "--store says where: dir:PATH or rbd:POOL");
		return false;
	}
	return true;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return false;
	const char *letter = *end ? strchr(letters, *end) : NULL;
	unsigned shift = letter ? 10 * (letter - letters + 1) : 0;
	if ((*end && !letter) || (letter && end[1]) || (shift && value >> (64 - shift)))
		return false;
	*bytes = value << shift;
	return true;
}

int parse_target(const char *text, struct target *t, struct fault *f)
{
	const char *at = strchrnul(text, '@');
	size_t length = at - text;
	char *end;

	*t = (struct target){0};
	if (length >= sizeof(t->guest))
		return fault_set(f, -EINVAL, "\"%s\": a guest's name has at most %zu characters",
				 text, sizeof(t->guest) - 1);
	memcpy(t->guest, text, length);
	int r = store_check_name(t->guest, f);
	if (r < 0 || !*at)
		return r;
	t->number = strtoull(at + 1, &end, 10);
	if (at[1] < '0' || at[1] > '9' || *end || !t->number)
		return fault_set(f, -EINVAL, "\"%s\": a checkpoint is a number from 1, as in %s@3",
				 text, t->guest);
	return 0;
}
