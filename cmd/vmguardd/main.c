/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguardd: keeps the guests of this host protected. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "vmguard/waker.h"

enum { EXIT_USAGE = 2 };

static void print_help(FILE *out)
{
	fprintf(out, "vmguardd keeps the guests of this host protected.\n\n"
		     "Usage: vmguardd [OPTIONS]\n\n"
		     "  --config FILE     its settings; default " CONFIG_FILE "\n"
		     "  --check-config    say what is wrong with them, and end\n"
		     "  --version\n"
		     "  --help\n");
}

/* ---- settings ------------------------------------------------------------------------------ */

struct reader {
	struct config_reader base;
	struct policy *defaults;
};

static int set_default(struct config_reader *base, const char *key, const char *value,
		       struct fault *f)
{
	struct reader *r = (struct reader *)base;

	return policy_set(r->defaults, key, value, f);
}

static void tell_wrong(struct config_reader *base, const char *sentence)
{
	(void)base;
	fprintf(stderr, "vmguardd: %s\n", sentence);
}

static int read_config(struct daemon *d)
{
	struct reader r = {.base = {.set_default = set_default, .wrong = tell_wrong},
			   .defaults = &d->defaults};
	struct fault f;

	policy_init(&d->defaults);
	if (config_read(d->config_file, &r.base, &d->config, &f) < 0)
		return -1;
	snprintf(d->host, sizeof(d->host), "%s", d->config.host);
	if (!d->host[0] && gethostname(d->host, sizeof(d->host) - 1) < 0)
		snprintf(d->host, sizeof(d->host), "localhost");
	return 0;
}

static int serve(struct daemon *d)
{
	struct fault f;

	if (!d->config.store[0]) {
		fprintf(stderr, "vmguardd: %s has no store: uri = rbd:POOL in [store], say\n",
			d->config_file);
		return EXIT_USAGE;
	}
	if (daemon_run(d, &f) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "vmguardd: %s\n", f.text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"check-config", no_argument, NULL, 'k'},
						{"version", no_argument, NULL, 'v'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	static struct daemon d = {.config_file = CONFIG_FILE};
	bool check = false;
	int option;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], WAKER_WORD))
		return waker_main(argc - 2, argv + 2);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'c':
			d.config_file = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'v':
			printf("vmguardd %s\n", VMGUARD_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			print_help(stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	if (optind < argc || read_config(&d) < 0)
		return EXIT_USAGE;
	return check ? EXIT_SUCCESS : serve(&d);
}
