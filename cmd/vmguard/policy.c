/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard protect, unprotect, policy: what a person wants of a guest's protection. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "vmguard/policy.h"

/* ---- settings on the command line ----------------------------------------------------------- */

static bool is_setting(const char *name, size_t length)
{
	for (size_t i = 0; policy_key(i); i++)
		if (strlen(policy_key(i)->name) == length &&
		    !strncmp(policy_key(i)->name, name, length))
			return true;
	return false;
}

static void add_setting(struct json_object *settings, const char *name, size_t length,
			const char *value)
{
	char key[64];

	snprintf(key, sizeof(key), "%.*s", (int)length, name);
	json_add_text(settings, key, value);
}

/*
 * Takes --KEY VALUE, --KEY=VALUE and --set KEY=VALUE out of argv; what else there is stays. Gives
 * how many were taken, or -EINVAL after it has said what is wrong.
 */
static int take_settings(const struct verb *verb, int *argc, char **argv,
			 struct json_object *settings)
{
	int kept = 1, taken = 0;

	for (int i = 1; i < *argc; i++) {
		bool is_option = !strncmp(argv[i], "--", 2);
		bool is_set = !strcmp(argv[i], "--set");
		const char *name = is_option ? argv[i] + 2 : "";
		size_t length = strcspn(name, "=");

		if (!is_set && !is_setting(name, length)) {
			argv[kept++] = argv[i];
			continue;
		}
		if (is_set || !name[length]) { /* the value is the next word */
			if (++i == *argc)
				return usage_error(verb, "%s needs a value", argv[i - 1]), -EINVAL;
			name = is_set ? argv[i] : name;
			length = is_set ? strcspn(name, "=") : length;
		}
		if (is_set && !name[length])
			return usage_error(verb, "--set KEY=VALUE, not --set %s", name), -EINVAL;
		add_setting(settings, name, length, name[length] ? name + length + 1 : argv[i]);
		taken++;
	}
	argv[kept] = NULL;
	*argc = kept;
	return taken;
}

/* ---- what is shown -------------------------------------------------------------------------- */

static void print_policy(const struct arguments *a, struct json_object *policy)
{
	struct json_object *settings = json_object_object_get(policy, "settings");

	if (a->json) {
		json_print(json_object_get(policy));
		return;
	}
	for (size_t i = 0; policy_key(i); i++) {
		const struct policy_key *key = policy_key(i);
		const char *value = answer_text(settings, key->name);

		printf("%-16s %s%s\n", key->name, value,
		       strcmp(value, key->by_default) ? "" : "  (default)");
	}
}

static void print_protected(const struct arguments *a, struct json_object *policy)
{
	struct json_object *settings = json_object_object_get(policy, "settings");

	if (a->json)
		json_print(json_object_get(policy));
	else
		printf("%s is protected: a checkpoint every %s; 'vmguard status' shows it\n",
		       answer_text(policy, "guest"), answer_text(settings, "interval"));
}

/* ---- verbs ---------------------------------------------------------------------------------- */

static int ask_policy(const struct arguments *a, const char *method, struct json_object *body,
		      struct json_object **answer, struct fault *f)
{
	auto_of(client_close) struct client *c = NULL;
	char path[DAEMON_PATH_BYTES];
	int r = daemon_client(a, NULL, &c, f);

	daemon_guest_path(a->rest[0], "/policy", path);
	return r < 0 ? r : client_ask(c, method, path, body, answer, f);
}

/* With settings, as `method` asks; without, where that may be, it is only shown. */
static int run(const struct verb *verb, const char *method, int argc, char **argv)
{
	struct json_object *body = json_object_new_object(), *answer = NULL;
	struct json_object *settings = json_object_new_object();
	bool protects = !strcmp(method, "PUT");
	struct arguments a;
	struct fault f;
	int r, exit = EXIT_USAGE;

	json_object_object_add(body, "settings", settings);
	int taken = take_settings(verb, &argc, argv, settings);
	if (taken < 0 || !arguments_read(verb, DAEMON_OPTIONS "json", argc, argv, &a, &exit))
		goto out;
	if (a.rest_count != 1) {
		exit = usage_error(verb, "which guest? One NAME");
		goto out;
	}
	if (!taken && !protects)
		r = ask_policy(&a, "GET", NULL, &answer, &f);
	else
		r = ask_policy(&a, method, body, &answer, &f);
	exit = r < 0 ? report_fault(&f) : EXIT_DONE;
	if (!r)
		(protects ? print_protected : print_policy)(&a, answer);
out:
	json_object_put(answer);
	json_object_put(body);
	return exit;
}

static int protect_run(int argc, char **argv)
{
	return run(&verb_protect, "PUT", argc, argv);
}

static int policy_run(int argc, char **argv)
{
	return run(&verb_policy, "PATCH", argc, argv);
}

static int unprotect_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_unprotect, DAEMON_OPTIONS, argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1)
		return usage_error(&verb_unprotect, "which guest? One NAME");
	return ask_policy(&a, "DELETE", NULL, NULL, &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

#define HELP_SETTINGS                                                               \
	"  --interval TIME   between checkpoints: 10s, 5m, 1h\n"                    \
	"  --on-failure WHAT resume (from the last checkpoint), reboot or manual\n" \
	"  --keep-last N, --keep-hourly N, --keep-daily N, --keep-weekly N\n"       \
	"                    which checkpoints stay\n"                              \
	"  --KEY VALUE, --set KEY=VALUE\n"                                          \
	"                    any other setting: vmguard.conf(5) has all of them\n"

const struct verb verb_protect = {
	.name = "protect",
	.summary = "Lets vmguardd take checkpoints of a guest, and continue it.",
	.usage = "NAME [--interval TIME] [--set KEY=VALUE]... [--json]",
	.help = "  NAME              of the guest in the store, and of its domain, but with\n"
		"  --domain NAME     another domain of libvirt, or\n"
		"  --qmp PATH        the QMP socket of a QEMU without libvirt\n" HELP_SETTINGS
			HELP_DAEMON "  --json            the policy as it was stored\n",
	.run = protect_run,
};

const struct verb verb_policy = {
	.name = "policy",
	.summary = "Shows or changes how a guest is protected.",
	.usage = "NAME [--set KEY=VALUE]... [--json]",
	.help = "  NAME              of a guest that is protected\n" HELP_SETTINGS HELP_DAEMON
		"  --json            the policy as it is stored\n",
	.run = policy_run,
};

const struct verb verb_unprotect = {
	.name = "unprotect",
	.summary = "Ends the protection of a guest; its checkpoints stay.",
	.usage = "NAME",
	.help = "  NAME              of a guest that is protected\n" HELP_DAEMON,
	.run = unprotect_run,
};
