/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard capture, resume, operations, cancel: what takes vmguardd its time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "vmguard/clock.h"
#include "vmguard/json_text.h"

/* ---- waiting for one ------------------------------------------------------------------------ */

struct wait {
	int64_t began_ms;
	char what[STORE_NAME_BYTES + 16];
	struct json_object *last; /* as it was told */
};

static bool is_over(struct json_object *operation)
{
	return answer_has(operation, "ended");
}

static int on_change(void *wait, const struct client_event *e)
{
	struct wait *w = wait;
	struct json_object *o;
	struct fault f;

	if (json_text_read(e->data, strlen(e->data), &o, &f) < 0)
		return 0;
	json_object_put(w->last);
	w->last = o;
	const struct progress_bar bar = {
		.what = w->what,
		.total = 1000,
		.done = (uint64_t)(json_object_get_double(json_object_object_get(o, "progress")) *
				   1000),
		.elapsed_ms = monotonic_ms() - w->began_ms,
	};
	progress_draw(&bar);
	return 0;
}

static int result_of(const struct arguments *a, struct json_object *o, struct fault *f)
{
	const char *kind = answer_text(o, "kind"), *guest = answer_text(o, "guest");
	char target[TARGET_BYTES];

	if (a->json)
		json_print(json_object_get(o));
	if (strcmp(answer_text(o, "state"), "done") != 0)
		return fault_set(f, -EIO, "%s of %s, operation %s, was %s: %s", kind, guest,
				 answer_text(o, "id"), answer_text(o, "state"),
				 answer_text(o, "fault"));
	progress_wipe();
	if (!a->json)
		printf("%s\n",
		       format_target(guest, (uint64_t)answer_number(o, "checkpoint"), target));
	return 0;
}

/* `o` is the operation as it was when it began; takes it over. */
static int wait_for(const struct arguments *a, struct client *c, const volatile int *stop,
		    struct json_object *o, struct fault *f)
{
	struct wait w = {.began_ms = monotonic_ms(), .last = o};
	char path[64];
	int r = 0;

	snprintf(path, sizeof(path), "/v1/operations/%" PRId64, answer_number(o, "id"));
	snprintf(w.what, sizeof(w.what), "%s %s", answer_text(o, "kind"), answer_text(o, "guest"));
	while (!r && !*stop && !is_over(w.last))
		r = client_follow(c, path, NULL, on_change, &w, f);
	progress_wipe();
	if (*stop) /* said already */
		r = 0;
	else if (!r)
		r = result_of(a, w.last, f);
	json_object_put(w.last);
	return r;
}

static int begin(const struct arguments *a, const char *what, struct fault *f)
{
	const volatile int *stop = interrupt_catch("it goes on without you: 'vmguard operations' "
						   "shows it, 'vmguard cancel ID' ends it\n");
	auto_of(client_close) struct client *c = NULL;
	struct json_object *o = NULL;
	char path[DAEMON_PATH_BYTES];
	int r = daemon_client(a, stop, &c, f);

	daemon_guest_path(a->rest[0], what, path);
	if (!r)
		r = client_ask(c, "POST", path, NULL, &o, f);
	if (!r && !a->no_wait)
		return wait_for(a, c, stop, o, f);
	if (!r && a->json)
		json_print(json_object_get(o));
	else if (!r)
		printf("operation %" PRId64 "\n", answer_number(o, "id"));
	json_object_put(o);
	return r;
}

static int run(const struct verb *verb, const char *what, int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(verb, DAEMON_OPTIONS "no-wait json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1)
		return usage_error(verb, "which guest? One NAME");
	return begin(&a, what, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

static int capture_run(int argc, char **argv)
{
	return run(&verb_capture, "/captures", argc, argv);
}

static int resume_run(int argc, char **argv)
{
	return run(&verb_resume, "/restores", argc, argv);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void print_operation(struct json_object *o)
{
	char when[32];

	printf("%-14" PRId64 "  %-8s  %-16s  %-10s  %s\n", answer_number(o, "id"),
	       answer_text(o, "kind"), answer_text(o, "guest"), answer_text(o, "state"),
	       answer_time(o, "started", when));
	if (*answer_text(o, "fault"))
		printf("  %s\n", answer_text(o, "fault"));
}

static int list(const struct arguments *a, struct fault *f)
{
	auto_of(client_close) struct client *c = NULL;
	struct json_object *answer = NULL;
	int r = daemon_client(a, NULL, &c, f);

	if (!r)
		r = client_ask(c, "GET", "/v1/operations", NULL, &answer, f);
	if (r < 0)
		return r;
	struct json_object *all = json_object_object_get(answer, "operations");
	if (a->json)
		json_print(json_object_get(answer));
	else if (all && json_object_array_length(all))
		printf("%-14s  %-8s  %-16s  %-10s  %s\n", "ID", "KIND", "GUEST", "STATE",
		       "STARTED");
	for (size_t i = 0; !a->json && all && i < json_object_array_length(all); i++)
		print_operation(json_object_array_get_idx(all, i));
	json_object_put(answer);
	return 0;
}

static int operations_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_operations, DAEMON_OPTIONS "json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count)
		return usage_error(&verb_operations, "%s is too much", a.rest[0]);
	return list(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

static int cancel(const struct arguments *a, struct fault *f)
{
	auto_of(client_close) struct client *c = NULL;
	char path[64];
	int r = daemon_client(a, NULL, &c, f);

	snprintf(path, sizeof(path), "/v1/operations/%.20s", a->rest[0]);
	return r < 0 ? r : client_ask(c, "DELETE", path, NULL, NULL, f);
}

static int cancel_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_cancel, DAEMON_OPTIONS, argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1 || strspn(a.rest[0], "0123456789") != strlen(a.rest[0]))
		return usage_error(&verb_cancel, "which operation? One number");
	return cancel(&a, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

/* ---- verbs ---------------------------------------------------------------------------------- */

#define HELP_WAIT "  --no-wait         print the operation's number and end\n"

const struct verb verb_capture = {
	.name = "capture",
	.summary = "Lets vmguardd take a checkpoint of a protected guest now.",
	.usage = "NAME [--no-wait] [--json]",
	.help = "  NAME              of a guest that is protected, and runs on this "
		"host\n" HELP_WAIT HELP_DAEMON
		"  --json            the operation, when it is over\n"
		"\n'vmguard snapshot' does it without vmguardd.\n",
	.run = capture_run,
};

const struct verb verb_resume = {
	.name = "resume",
	.summary = "Lets vmguardd continue a protected guest that is down.",
	.usage = "NAME [--no-wait] [--json]",
	.help = "  NAME              of a guest that its policy leaves to a person, or that was\n"
		"                    restarted too often\n" HELP_WAIT HELP_DAEMON
		"  --json            the operation, when it is over\n"
		"\n'vmguard restore' continues any guest, from any checkpoint, anywhere.\n",
	.run = resume_run,
};

const struct verb verb_operations = {
	.name = "operations",
	.summary = "Lists what vmguardd was asked for.",
	.usage = "[--json]",
	.help = HELP_DAEMON "  --json            one object\n",
	.run = operations_run,
};

const struct verb verb_cancel = {
	.name = "cancel",
	.summary = "Ends an operation of vmguardd without a result.",
	.usage = "ID",
	.help = "  ID                as 'vmguard operations' has it\n" HELP_DAEMON,
	.run = cancel_run,
};
