/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of a verb. One table says what options there are and what their values are. */
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "verb.h"

enum value {
	FLAG,
	TEXT,
	SIZE,
	COUNT,
	DURATION,
};

static const char *const value_forms[] = {
	[SIZE] = "a size: 512M or 2G, say",
	[COUNT] = "a number, at most a million",
	[DURATION] = "a duration: 500ms, 10s, 5m or 1h, say",
};

static const struct row {
	const char *name;
	enum value value;
	size_t offset; /* in struct arguments */
} rows[] = {
	{"qmp", TEXT, offsetof(struct arguments, qmp)},
	{"connect", TEXT, offsetof(struct arguments, connect)},
	{"domain", TEXT, offsetof(struct arguments, domain)},
	{"store", TEXT, offsetof(struct arguments, store)},
	{"name", TEXT, offsetof(struct arguments, name)},
	{"as", TEXT, offsetof(struct arguments, as)},
	{"network", TEXT, offsetof(struct arguments, network)},
	{"expect", TEXT, offsetof(struct arguments, expect)},
	{"timeout", DURATION, offsetof(struct arguments, timeout_ms)},
	{"mode", TEXT, offsetof(struct arguments, mode)},
	{"spool", SIZE, offsetof(struct arguments, spool_bytes)},
	{"max-rate", SIZE, offsetof(struct arguments, max_rate)},
	{"transfer-cpus", TEXT, offsetof(struct arguments, transfer_cpus)},
	{"allow-resume", FLAG, offsetof(struct arguments, allow_resume)},
	{"without-disks", FLAG, offsetof(struct arguments, without_disks)},
	{"every", DURATION, offsetof(struct arguments, every_ms)},
	{"store-wait", DURATION, offsetof(struct arguments, store_wait_ms)},
	{"count", COUNT, offsetof(struct arguments, count)},
	{"keep-last", COUNT, offsetof(struct arguments, keep_last)},
	{"keep-hourly", COUNT, offsetof(struct arguments, keep_hourly)},
	{"keep-daily", COUNT, offsetof(struct arguments, keep_daily)},
	{"keep-weekly", COUNT, offsetof(struct arguments, keep_weekly)},
	{"dry-run", FLAG, offsetof(struct arguments, dry_run)},
	{"protect", TEXT, offsetof(struct arguments, protect)},
	{"unprotect", TEXT, offsetof(struct arguments, unprotect)},
	{"release", TEXT, offsetof(struct arguments, release)},
	{"disks", TEXT, offsetof(struct arguments, disks)},
	{"yes", FLAG, offsetof(struct arguments, yes)},
	{"define", FLAG, offsetof(struct arguments, define)},
	{"resume", FLAG, offsetof(struct arguments, resume)},
	{"keep-clock", FLAG, offsetof(struct arguments, keep_clock)},
	{"keep-network", FLAG, offsetof(struct arguments, keep_network)},
	{"no-verify", FLAG, offsetof(struct arguments, no_verify)},
	{"key-file", TEXT, offsetof(struct arguments, key_file)},
	{"encrypt", FLAG, offsetof(struct arguments, encrypt)},
	{"whole", FLAG, offsetof(struct arguments, whole)},
	{"socket", TEXT, offsetof(struct arguments, socket)},
	{"host", TEXT, offsetof(struct arguments, host)},
	{"cert", TEXT, offsetof(struct arguments, cert)},
	{"cert-key", TEXT, offsetof(struct arguments, cert_key)},
	{"ca", TEXT, offsetof(struct arguments, ca)},
	{"guest", TEXT, offsetof(struct arguments, guest)},
	{"watch", FLAG, offsetof(struct arguments, watch)},
	{"follow", FLAG, offsetof(struct arguments, follow)},
	{"no-wait", FLAG, offsetof(struct arguments, no_wait)},
	{"json", FLAG, offsetof(struct arguments, json)},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), OPTION_HELP = ROWS };

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

/* In brackets: it may be left out. */
static bool is_optional(const char *accepted, const char *name)
{
	char word[32];

	snprintf(word, sizeof(word), "[%s]", name);
	return is_accepted(accepted, word);
}

/* Those that the verb takes, and help; ended by an empty one. */
static void select_options(const char *accepted, struct option options[ROWS + 2])
{
	int count = 0;

	for (int i = 0; i < ROWS; i++)
		if (is_accepted(accepted, rows[i].name) || is_optional(accepted, rows[i].name))
			options[count++] =
				(struct option){rows[i].name, rows[i].value != FLAG, NULL, i};
	options[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
	options[count] = (struct option){0};
}

static bool take_value(struct arguments *a, const struct row *row)
{
	void *field = (char *)a + row->offset;

	switch (row->value) {
	case FLAG:
		*(bool *)field = true;
		return true;
	case TEXT:
		*(const char **)field = optarg;
		return true;
	case SIZE:
		return parse_size(optarg, field);
	case COUNT:
		return parse_count(optarg, field);
	case DURATION:
		return parse_duration(optarg, field);
	}
	return false;
}

/* true: go on with the next; else *exit says how it ends. */
static bool take_option(const struct verb *verb, int option, char **argv, struct arguments *a,
			int *exit)
{
	if (option == 'h' || option == OPTION_HELP) {
		verb_help(verb);
		*exit = EXIT_DONE;
		return false;
	}
	if (option == ':')
		*exit = usage_error(verb, "%s needs a value", argv[optind - 1]);
	else if (option == '?')
		*exit = usage_error(verb, "unknown option %s", argv[optind - 1]);
	else if (take_value(a, &rows[option]))
		return true;
	else
		*exit = usage_error(verb, "--%s %s is not %s", rows[option].name, optarg,
				    value_forms[rows[option].value]);
	return false;
}

bool arguments_takes_value(const char *name)
{
	for (int i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].value != FLAG;
	return false;
}

bool arguments_read(const struct verb *verb, const char *accepted, int argc, char **argv,
		    struct arguments *a, int *exit)
{
	struct option options[ROWS + 2];
	int option;

	_Static_assert(OPTION_HELP < ':', "options are numbered below the letters of getopt");
	*a = (struct arguments){0};
	select_options(accepted, options);
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		if (!take_option(verb, option, argv, a, exit))
			return false;
	a->rest = argv + optind;
	a->rest_count = argc - optind;
	if (is_accepted(accepted, "store") && !a->store && !a->resume)
		a->store = settings_store();
	if (is_accepted(accepted, "store") && !a->store && !a->resume)
		*exit = usage_error(verb, "--store says where, or [store] uri in vmguard.conf: "
					  "dir:PATH or rbd:POOL");
	else if (a->encrypt && !a->key_file)
		*exit = usage_error(verb, "--encrypt needs --key-file FILE, whose bytes are the "
					  "key");
	else
		return true;
	return false;
}

struct retention arguments_retention(const struct arguments *a)
{
	return (struct retention){
		.keep_last = a->keep_last,
		.keep_hourly = a->keep_hourly,
		.keep_daily = a->keep_daily,
		.keep_weekly = a->keep_weekly,
	};
}

int arguments_open_store(const struct arguments *a, struct store **s, struct fault *f)
{
	return store_open_with_key(a->store, a->key_file, a->encrypt, s, f);
}

bool arguments_name_monitor(const struct verb *verb, const struct arguments *a, int *exit)
{
	if (a->qmp && (a->domain || a->connect))
		*exit = usage_error(verb, "either --qmp or --domain, not both");
	else if (!a->qmp && !a->domain)
		*exit = usage_error(verb, "which guest? --qmp PATH, or --domain NAME of libvirt");
	else
		return true;
	return false;
}

struct monitor_address arguments_monitor(const struct arguments *a)
{
	return (struct monitor_address){.qmp = a->qmp, .domain = a->domain, .connect = a->connect};
}

int arguments_open_monitor(const struct arguments *a, struct hypervisor **h, struct fault *f)
{
	const struct monitor_address at = arguments_monitor(a);

	return monitor_open(&at, h, f);
}
