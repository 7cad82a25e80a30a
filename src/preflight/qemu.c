/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU itself says, over its monitor. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "preflight/probe.h"
#include "vmguard/disks.h"
#include "vmguard/hypervisor.h"
#include "vmguard/preflight.h"

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

/* "" where it is no text. */
static const char *text_of(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static size_t length_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* A question that this QEMU does not know, or refuses, has no answer: that is no failure. */
static int ask(struct hypervisor *h, const char *command, struct json_object *arguments,
	       struct json_object **answer, struct fault *f)
{
	int r = hypervisor_execute(h, command, arguments, answer, f);

	if (r == -EREMOTEIO)
		*answer = NULL;
	return r == -EREMOTEIO ? 0 : r;
}

/* ---- migration --------------------------------------------------------------------------- */

static int add_reason(struct preflight_reasons *r, const char *what, const char *text)
{
	void *grown = realloc(r->list, (r->count + 1) * sizeof(*r->list));

	if (!grown)
		return -ENOMEM;
	r->list = grown;
	snprintf(r->list[r->count].what, sizeof(r->list->what), "%s", what);
	snprintf(r->list[r->count++].text, sizeof(r->list->text), "%s", text);
	return 0;
}

static int read_reasons(struct json_object *list, struct preflight_facts *facts, struct fault *f)
{
	for (size_t i = 0; i < length_of(list); i++)
		if (add_reason(&facts->blocked, "", text_of(json_object_array_get_idx(list, i))) <
		    0)
			return fault_errno(f, -ENOMEM, "read what QEMU says");
	return 0;
}

/* blocked-reasons: since QEMU 6.0 (qapi/migration.json). */
static int ask_migration(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	struct json_object *answer = NULL;
	int r = ask(h, "query-migrate", NULL, &answer, f);

	if (!r) {
		const char *status = text_of(member(answer, "status"));

		snprintf(facts->migration, sizeof(facts->migration), "%s",
			 *status ? status : "none");
		r = read_reasons(member(answer, "blocked-reasons"), facts, f);
	}
	json_object_put(answer);
	return r;
}

/* ---- background snapshots ---------------------------------------------------------------- */

/*
 * The second capability excludes the first, so that QEMU always refuses; with which words says
 * whether it could have had the first one: it looks at userfaultfd and at the guest's memory
 * before it compares capabilities (migration/options.c, migrate_caps_check()). Nothing is changed.
 */
static const char *const probed[] = {"background-snapshot", "validate-uuid"};

static struct json_object *probe_arguments(void)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *list = json_object_new_array_ext(2);

	for (int i = 0; i < 2; i++) {
		struct json_object *entry = json_object_new_object();

		json_object_object_add(entry, "capability", json_object_new_string(probed[i]));
		json_object_object_add(entry, "state", json_object_new_boolean(true));
		json_object_array_add(list, entry);
	}
	json_object_object_add(arguments, "capabilities", list);
	return arguments;
}

enum preflight_probe probe_read(const char *words)
{
	if (strstr(words, "not compatible with validate-uuid"))
		return PROBE_CAN;
	return strstr(words, "migration process in progress") ? PROBE_UNKNOWN : PROBE_CANNOT;
}

/* QEMU's own words stand between "refused migrate-set-capabilities: " and " (GenericError)". */
static void keep_words(const struct fault *f, struct preflight_facts *facts)
{
	static const char before[] = "migrate-set-capabilities: ";
	const char *at = strstr(f->text, before);
	const char *words = at ? at + strlen(before) : f->text;
	const char *end = strstr(words, " (GenericError)");
	int length = end ? (int)(end - words) : (int)sizeof(facts->probe_words) - 1;

	snprintf(facts->probe_words, sizeof(facts->probe_words), "%.*s", length, words);
}

/* A QEMU that does accept both is brought back at once. */
static int take_back(struct hypervisor *h, struct fault *f)
{
	int r = 0;

	for (int i = 0; !r && i < 2; i++)
		r = hypervisor_set_capability(h, probed[i], false, f);
	return r;
}

static int ask_probe(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	int r = hypervisor_execute(h, "migrate-set-capabilities", probe_arguments(), NULL, f);

	if (!r) {
		facts->probe = PROBE_CAN;
		return take_back(h, f);
	}
	if (r != -EREMOTEIO)
		return r;
	facts->probe = probe_read(f->text);
	if (facts->probe == PROBE_CANNOT)
		keep_words(f, facts);
	return 0;
}

/* ---- the machine ------------------------------------------------------------------------- */

static int ask_cpu(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	struct json_object *cpus = NULL, *type = NULL;
	int r = ask(h, "query-cpus-fast", NULL, &cpus, f);

	if (!r && length_of(cpus)) {
		struct json_object *first = json_object_array_get_idx(cpus, 0);
		struct json_object *arguments = json_object_new_object();

		json_object_object_add(arguments, "path",
				       json_object_get(member(first, "qom-path")));
		json_object_object_add(arguments, "property", json_object_new_string("type"));
		r = ask(h, "qom-get", arguments, &type, f);
	}
	snprintf(facts->cpu_type, sizeof(facts->cpu_type), "%s", text_of(type));
	json_object_put(cpus);
	json_object_put(type);
	return r;
}

static int ask_run_state(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	_Static_assert(sizeof(facts->run_state) == 32, "hypervisor_run_state()");
	return hypervisor_run_state(h, facts->run_state, f);
}

static int ask_ram(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	int r = hypervisor_ram_bytes(h, &facts->ram_bytes, f);

	return r == -EREMOTEIO ? 0 : r;
}

/* ---- disks and libvirt ------------------------------------------------------------------- */

static int note_disk(void *facts, const struct disk *d, const char *why)
{
	return add_reason(&((struct preflight_facts *)facts)->disks, d->target, why);
}

static int ask_disks(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	int r = disks_check(h, note_disk, facts, f);

	return r == -EREMOTEIO ? 0 : r;
}

static int ask_manager(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	int r = hypervisor_check(h, f);

	if (r != -EPERM)
		return r;
	snprintf(facts->job, sizeof(facts->job), "%s", f->text);
	return 0;
}

int preflight_ask_qemu(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	static int (*const questions[])(struct hypervisor *, struct preflight_facts *,
					struct fault *) = {
		ask_manager, ask_run_state, ask_migration, ask_probe, ask_cpu, ask_ram, ask_disks,
	};
	int r = 0;

	snprintf(facts->qemu_version, sizeof(facts->qemu_version), "%s", h->qemu_version);
	facts->qemu = hypervisor_pid(h);
	for (size_t i = 0; !r && i < sizeof(questions) / sizeof(questions[0]); i++)
		r = questions[i](h, facts, f);
	return r;
}

void preflight_facts_clear(struct preflight_facts *facts)
{
	preflight_machine_clear(&facts->machine);
	free(facts->blocked.list);
	free(facts->disks.list);
	facts->blocked = facts->disks = (struct preflight_reasons){0};
}
