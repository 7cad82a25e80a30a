/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard events: what happened on a host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "vmguard/json_text.h"

enum { LAST = 20, PATH_BYTES = 4 * STORE_NAME_BYTES };

static void print_event(const struct arguments *a, struct json_object *e)
{
	char when[32];

	if (a->json) {
		json_print(json_object_get(e));
		return;
	}
	printf("%s %-7s %s%s%s\n", answer_time(e, "time", when), answer_text(e, "severity"),
	       answer_text(e, "guest"), answer_has(e, "guest") ? ": " : "", answer_text(e, "text"));
}

static void path_of(const struct arguments *a, const char *query, char path[PATH_BYTES])
{
	char *guest = a->guest ? client_encode(a->guest) : NULL;

	snprintf(path, PATH_BYTES, "/v1/events%s%s%s%s", *query || guest ? "?" : "", query,
		 guest ? (*query ? "&guest=" : "guest=") : "", guest ? guest : "");
	free(guest);
}

/* ---- the last ones -------------------------------------------------------------------------- */

static int list(const struct arguments *a, struct fault *f)
{
	auto_of(client_close) struct client *c = NULL;
	struct json_object *answer = NULL;
	char path[PATH_BYTES];
	int r = daemon_client(a, NULL, &c, f);

	path_of(a, "limit=1000", path);
	if (!r)
		r = client_ask(c, "GET", path, NULL, &answer, f);
	if (r < 0)
		return r;
	struct json_object *all = json_object_object_get(answer, "events");
	size_t count = all ? json_object_array_length(all) : 0;
	size_t wanted = a->count ? a->count : LAST;
	for (size_t i = count > wanted ? count - wanted : 0; i < count; i++)
		print_event(a, json_object_array_get_idx(all, i));
	json_object_put(answer);
	return 0;
}

/* ---- those that come ------------------------------------------------------------------------ */

static int on_event(void *arguments, const struct client_event *e)
{
	struct json_object *o;
	struct fault f;

	if (!strcmp(e->kind, "gap")) {
		fprintf(stderr, "vmguard: some events are missing: they are not kept any more\n");
		return 0;
	}
	if (json_text_read(e->data, strlen(e->data), &o, &f) < 0)
		return 0;
	print_event(arguments, o);
	json_object_put(o);
	return fflush(stdout) == EOF ? -EPIPE : 0;
}

static int follow(const struct arguments *a, struct fault *f)
{
	char path[PATH_BYTES];

	path_of(a, "", path);
	return daemon_follow(a, path, on_event, (void *)a, f);
}

static int events_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_events, DAEMON_OPTIONS "guest follow count json", argc, argv, &a,
			    &exit))
		return exit;
	if (a.rest_count)
		return usage_error(&verb_events, "%s is too much: --guest NAME, say", a.rest[0]);
	return (a.follow ? follow : list)(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_events = {
	.name = "events",
	.summary = "Shows what happened to protected guests.",
	.usage = "[--guest NAME] [--count N | --follow] [--json]",
	.help = "  --guest NAME      of one guest\n"
		"  --count N         the last N of them; default 20\n"
		"  --follow          those that come, until ^C\n" HELP_DAEMON
		"  --json            an object a line\n",
	.run = events_run,
};
