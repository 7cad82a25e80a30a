/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restored.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

static void add_afterwards(struct json_object *o, const struct afterwards *a)
{
	json_add_text(o, "clock", clock_outcome_name(a->clock));
	if (a->clock_error[0])
		json_add_text(o, "clock_error", a->clock_error);
	json_add_text(o, "network", network_outcome_name(a->network));
	if (a->network_error[0])
		json_add_text(o, "network_error", a->network_error);
}

static void add_demands(struct json_object *o, const struct restore_result *r)
{
	json_add_number(o, "first_demand_ms", r->first_demand_ms);
	json_add_number(o, "pages_demanded", r->pages_demanded);
	json_add_number(o, "demand_p50_us", r->demand_p50_us);
	json_add_number(o, "demand_p99_us", r->demand_p99_us);
}

static void add_copy(struct json_object *o, const struct copy *c)
{
	json_add_text(o, "uuid", c->uuid);
	json_add_number(o, "interfaces_connected", c->connected);
	json_add_number(o, "interfaces_unconnected", c->unconnected);
}

static void add_domain(struct json_object *o, const struct restored *r)
{
	json_add_text(o, "domain", r->domain.name);
	if (r->domain.uri)
		json_add_text(o, "connect", r->domain.uri);
	if (r->domain_pid > 0)
		json_add_number(o, "pid", r->domain_pid);
	if (r->copy)
		add_copy(o, r->copy);
}

static void add_disks(struct json_object *o, const struct restored *r)
{
	json_add_text(o, "disks", r->disks);
	json_add_number(o, "disks_ms", r->disks_ms);
}

static const struct disk_list *clones_of(const struct restored *r)
{
	return r->copy ? &r->copy->disks : &r->clones;
}

static void add_clones(struct json_object *o, const struct disk_list *clones)
{
	struct json_object *sources = json_object_new_array();

	for (size_t i = 0; i < clones->count; i++)
		json_object_array_add(sources, json_object_new_string(clones->disks[i].source));
	json_object_object_add(o, "disk_clones", sources);
}

static void print_object(const struct restored *r)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", r->target.guest);
	json_add_number(o, "checkpoint", r->number);
	json_add_text(o, "mode", r->lazy ? "lazy" : "full");
	json_add_text(o, "state", r->result.run_state);
	json_add_number(o, "run_ms", r->result.run_ms);
	if (r->lazy)
		add_demands(o, &r->result);
	json_add_number(o, "pages_total", r->result.pages_total);
	json_add_number(o, "pages_sent", r->result.pages_sent);
	json_add_number(o, "bytes_sent", r->result.bytes_sent);
	json_add_number(o, "resident_percent", 100);
	json_add_number(o, "total_ms", r->result.total_ms);
	add_afterwards(o, &r->result.afterwards);
	if (r->disks)
		add_disks(o, r);
	if (clones_of(r)->count)
		add_clones(o, clones_of(r));
	if (r->domain.name[0])
		add_domain(o, r);
	else
		json_add_text(o, "qmp", r->arguments->qmp ? r->arguments->qmp : r->qemu.socket);
	if (r->qemu.pid) {
		json_add_number(o, "pid", r->qemu.pid);
		json_add_text(o, "log", r->qemu.log);
	}
	json_print(o);
}

static void print_part(const char *what, const char *outcome, const char *error)
{
	printf("%s: %s%s%s%s", what, outcome, error[0] ? " (" : "", error, error[0] ? ")" : "");
}

static void print_copy(const struct copy *c)
{
	if (c->connected || c->unconnected)
		printf("network interfaces: %u connected with a new address, %u lead nowhere\n",
		       c->connected, c->unconnected);
}

static void print_text(const struct restored *r)
{
	const struct restore_result *result = &r->result;
	const struct afterwards *a = &result->afterwards;
	const struct disk_list *clones = clones_of(r);

	if (result->was_complete)
		printf("%s@%" PRIu64
		       " has had all its memory already, what was left of the restore "
		       "is tidied up\n",
		       r->target.guest, r->number);
	else if (r->lazy)
		printf("%s@%" PRIu64 " has all its memory after %.1f s; it asked for %" PRIu64
		       " of %" PRIu64 " pages, half of them came within %.1f ms\n",
		       r->target.guest, r->number, result->total_ms / 1e3, result->pages_demanded,
		       result->pages_sent, result->demand_p50_us / 1e3);
	else
		printf("%s@%" PRIu64 " is %s again after %.1f s\n", r->target.guest, r->number,
		       result->run_state, result->total_ms / 1e3);
	if (result->was_complete)
		return;
	print_part("clock", clock_outcome_name(a->clock), a->clock_error);
	print_part("; network", network_outcome_name(a->network), a->network_error);
	printf("\n");
	for (size_t i = 0; i < clones->count; i++)
		printf("disk %s is %s, a clone\n", clones->disks[i].target,
		       clones->disks[i].source);
	if (r->domain.name[0])
		printf("libvirt has it as domain %s\n", r->domain.name);
	if (r->copy)
		print_copy(r->copy);
	if (r->qemu.pid)
		printf("QEMU has pid %d, its monitor is %s, its output is in %s\n",
		       (int)r->qemu.pid, r->qemu.socket, r->qemu.log);
}

void restored_print(const struct restored *r)
{
	progress_wipe();
	if (r->arguments->json)
		print_object(r);
	else
		print_text(r);
}
