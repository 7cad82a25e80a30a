/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard check: what is in the way of protecting a running guest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "table.h"
#include "verb.h"
#include "vmguard/hypervisor.h"
#include "vmguard/libvirt.h"
#include "vmguard/preflight.h"

static int ask_libvirt(struct hypervisor *h, struct preflight_facts *facts, struct fault *f)
{
	struct libvirt_description d = {0};
	int r = libvirt_describe(h, &d, f);

	if (!r)
		r = preflight_machine_read(d.xml, strlen(d.xml), &facts->machine, f);
	facts->has_machine = !r;
	facts->libvirt_version = d.version;
	facts->is_session = d.is_session;
	free(d.xml);
	return r < 0 ? fault_wrap(f, "look at %s", h->where) : 0;
}

/* Also where the store has another guest's images, or none. */
static int look_for_checkpoint(struct store *store, const char *guest, bool *found, struct fault *f)
{
	auto_of(store_image_close) struct store_image *image = NULL;
	auto_free struct checkpoint_id *ids = NULL;
	size_t count = 0;
	int r = store_image_open(store, guest, STORE_READ, NULL, &image, f);

	if (!r)
		r = store_checkpoints(image, &ids, &count, f);
	*found = !r && count;
	return r == -ENOENT ? 0 : r;
}

static int ask_store(const struct arguments *a, const char *guest, struct preflight_facts *facts,
		     struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	int r = arguments_open_store(a, &store, f);

	if (!r)
		r = store_free_bytes(store, &facts->store_free_bytes, f);
	facts->store_room_unknown = r == -ENODATA;
	if (r == -ENODATA)
		r = 0;
	if (!r && *guest)
		r = look_for_checkpoint(store, guest, &facts->has_checkpoint, f);
	return r;
}

/* A store that cannot be used is a finding like others. */
static void look_at_store(const struct arguments *a, const struct hypervisor *h,
			  struct preflight_facts *facts)
{
	const char *guest = a->name ? a->name : h->guest;
	struct fault f;

	facts->has_store = a->store;
	if (a->store && ask_store(a, guest, facts, &f) < 0)
		snprintf(facts->store_fault, sizeof(facts->store_fault), "%s", f.text);
}

static int gather(const struct arguments *a, struct preflight_facts *facts, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = arguments_open_monitor(a, &h, f);

	if (!r && a->domain)
		r = ask_libvirt(h, facts, f);
	if (!r)
		r = preflight_ask_qemu(h, facts, f);
	if (r < 0)
		return r;
	preflight_see_host("", facts);
	look_at_store(a, h, facts);
	return 0;
}

/* ---- what is said ------------------------------------------------------------------------ */

static void print_json(const struct preflight_report *report)
{
	struct json_object *all = json_object_new_object();
	struct json_object *findings = json_object_new_array();

	json_add_number(all, "blockers", report->blockers);
	json_add_number(all, "risks", report->risks);
	for (size_t i = 0; i < report->count; i++) {
		const struct preflight_finding *finding = &report->findings[i];
		struct json_object *one = json_object_new_object();

		json_add_text(one, "severity", preflight_severity_name(finding->severity));
		json_add_text(one, "what", finding->what);
		json_add_text(one, "why", finding->why);
		json_add_text(one, "remedy", finding->remedy);
		json_object_array_add(findings, one);
	}
	json_object_object_add(all, "findings", findings);
	json_print(all);
}

static void print_text(const struct preflight_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		table_print(stdout, &report->findings[i]);
	printf("%zu blocker%s, %zu risk%s\n", report->blockers, report->blockers == 1 ? "" : "s",
	       report->risks, report->risks == 1 ? "" : "s");
}

static int check(const struct arguments *a)
{
	struct preflight_facts facts = {0};
	struct preflight_report report = {0};
	struct fault f;
	int r = gather(a, &facts, &f);

	if (!r)
		r = preflight_judge(&facts, &report, &f);
	int exit = r < 0 ? report_fault(&f) : report.blockers ? EXIT_REFUSED : EXIT_DONE;
	if (!r && a->json)
		print_json(&report);
	else if (!r)
		print_text(&report);
	preflight_report_clear(&report);
	preflight_facts_clear(&facts);
	return exit;
}

static int check_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f;
	int exit;

	if (!arguments_read(&verb_check, "qmp connect domain name [store] key-file json", argc,
			    argv, &a, &exit))
		return exit;
	if (a.rest_count)
		return usage_error(&verb_check, "what is \"%s\"?", a.rest[0]);
	if (!arguments_name_monitor(&verb_check, &a, &exit))
		return exit;
	if (a.name && store_check_name(a.name, &f) < 0)
		return report_fault(&f);
	return check(&a);
}

const struct verb verb_check = {
	.name = "check",
	.summary = "Says what is in the way of protecting a guest, and what helps.",
	.usage = "(--qmp PATH | --domain NAME [--connect URI]) [--store URI [--name NAME]]\n"
		 "       [--json]",
	.help = HELP_GUEST HELP_STORE
	"  --name NAME       the guest's name in the store; default the domain's\n" HELP_KEY
	"  --json            print one JSON object\n"
	"\nA blocker: a checkpoint cannot be taken, or the guest could not go on from it.\n"
	"A risk: it can, but not everywhere, or not as well. The guest is not touched. The\n"
	"exit status is 3 where there is a blocker, else 0.\n",
	.run = check_run,
};
