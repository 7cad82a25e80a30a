/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguardd: keeps the guests of this host protected. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int make_folder(const char *path, mode_t mode, struct fault *f)
{
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0
							 : fault_errno(f, -errno, "make %s", path);
}

/* Programs that are started have the same run directory. */
static int make_folders(const struct config *c, struct fault *f)
{
	char notes[CONFIG_TEXT_BYTES + 16];
	int r = make_folder(c->run_directory, 0755, f);

	snprintf(notes, sizeof(notes), "%s/protected", c->state_directory);

	if (!r)
		r = make_folder(c->state_directory, 0755, f);
	if (!r)
		r = make_folder(notes, 0755, f);
	if (!r && setenv("VMGUARD_RUN_DIR", c->run_directory, true) < 0)
		r = fault_errno(f, -errno, "start");
	return r;
}

static int serve(struct daemon *d)
{
	struct fault f;

	snprintf(d->host, sizeof(d->host), "%s", d->config.host);
	if (!d->host[0] && gethostname(d->host, sizeof(d->host) - 1) < 0)
		snprintf(d->host, sizeof(d->host), "localhost");
	if (!d->config.store[0]) {
		fprintf(stderr, "vmguardd: %s has no store: uri = rbd:POOL in [store], say\n",
			d->config_file);
		return EXIT_USAGE;
	}
	if (make_folders(&d->config, &f) == 0 && daemon_run(d, &f) == 0)
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
	struct fault f;
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
	if (optind < argc || settings_read(d.config_file, &d.config, &d.defaults, &f) < 0)
		return EXIT_USAGE;
	return check ? EXIT_SUCCESS : serve(&d);
}
