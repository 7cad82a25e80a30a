/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard status: how the protected guests of a host are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "guests_table.h"
#include "vmguard/json_text.h"

static bool wants_colours(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

/* Whether any of them needs help. */
static bool any_needs_help(struct json_object *list)
{
	struct json_object *guests = json_object_object_get(list, "guests");

	for (size_t i = 0; guests && i < json_object_array_length(guests); i++)
		if (guest_needs_help(json_object_array_get_idx(guests, i)))
			return true;
	return false;
}

/* ---- again and again ------------------------------------------------------------------------ */

static int show(void *arguments, const struct client_event *e)
{
	const struct arguments *a = arguments;
	struct json_object *list;
	struct fault f;

	if (a->json) {
		printf("%s\n", e->data);
	} else if (json_text_read(e->data, strlen(e->data), &list, &f) == 0) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		guests_table_print(stdout, list, wants_colours());
		json_object_put(list);
	}
	return fflush(stdout) == EOF ? -EPIPE : 0;
}

/* ---- once ----------------------------------------------------------------------------------- */

static int print_answer(const struct arguments *a, struct json_object *answer)
{
	bool one = a->rest_count;
	bool help = one ? guest_needs_help(answer) : any_needs_help(answer);

	if (a->json)
		json_print(json_object_get(answer));
	else if (one)
		guest_print(stdout, answer, wants_colours());
	else
		guests_table_print(stdout, answer, wants_colours());
	return help ? EXIT_PARTLY : EXIT_DONE;
}

static int once(const struct arguments *a, struct fault *f)
{
	auto_of(client_close) struct client *c = NULL;
	char path[DAEMON_PATH_BYTES] = "/v1/guests";
	struct json_object *answer = NULL;
	int r = daemon_client(a, NULL, &c, f);

	if (a->rest_count)
		daemon_guest_path(a->rest[0], "", path);
	if (!r)
		r = client_ask(c, "GET", path, NULL, &answer, f);
	if (r < 0)
		return r;
	int exit = print_answer(a, answer);
	json_object_put(answer);
	return exit;
}

static int status_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_status, DAEMON_OPTIONS "watch json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count > 1 || (a.watch && a.rest_count))
		return usage_error(&verb_status, "one NAME at most, and none with --watch");
	int r = a.watch ? daemon_follow(&a, "/v1/guests", show, &a, &f) : once(&a, &f);
	return r < 0 ? report_fault(&f) : r;
}

const struct verb verb_status = {
	.name = "status",
	.summary = "Shows the protected guests of this host.",
	.usage = "[NAME] [--watch] [--json]",
	.help = "  NAME              all about this one\n"
		"  --watch           until ^C, anew whenever something changes\n" HELP_DAEMON
		"  --json            one object; with --watch one a line\n"
		"\nCHECKPOINT is the age of the last one against the interval. The exit status is "
		"4\n"
		"where a guest is down, lost, failing or late.\n",
	.run = status_run,
};
