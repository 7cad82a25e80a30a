/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe.h"

#include <stdlib.h>
#include <string.h>

#include "vmguard/clock.h"
#include "vmguard/json_add.h"
#include "vmguard/operations.h"

/* ---- the host ------------------------------------------------------------------------------ */

static struct json_object *describe_captures(const struct daemon *d)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "running", guards_capturing(d->guards));
	json_add_number(o, "waiting", guards_waiting(d->guards));
	json_add_number(o, "limit", d->config.captures_per_host);
	return o;
}

static struct json_object *describe_spool(const struct daemon *d)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "bytes", guests_spool_bytes(d));
	json_add_number(o, "limit_bytes", d->config.spool_bytes);
	return o;
}

static void add_libvirt(void *array, const char *uri, bool up)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "uri", uri);
	json_add_bool(o, "up", up);
	json_object_array_add(array, o);
}

struct json_object *describe_host(const struct daemon *d)
{
	struct json_object *o = json_object_new_object(), *libvirt = json_object_new_array();
	size_t guests = 0;

	for (const struct guest *g = d->guests; g; g = g->next)
		guests++;
	json_add_text(o, "host", d->host);
	json_add_text(o, "version", VMGUARD_VERSION);
	json_add_time(o, "time", wall_ms());
	json_add_time(o, "started", d->started_ms);
	json_add_text(o, "store", d->config.store);
	json_add_bool(o, "store_up", !d->store_away);
	json_add_number(o, "guests", guests);
	json_object_object_add(o, "captures", describe_captures(d));
	json_object_object_add(o, "spool", describe_spool(d));
	domains_each(d, add_libvirt, libvirt);
	json_object_object_add(o, "libvirt", libvirt);
	return o;
}

/* ---- a guest ------------------------------------------------------------------------------- */

static struct json_object *describe_taken(const struct taken *t)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "number", t->number);
	json_add_time(o, "time", t->time_ms);
	json_add_ms(o, "pause_ms", t->pause_us);
	if (t->duration_ms)
		json_add_number(o, "duration_ms", t->duration_ms);
	json_add_number(o, "memory_bytes", t->memory_bytes);
	json_add_number(o, "bytes_written", t->bytes_written);
	return o;
}

static void add_counts(struct json_object *o, const struct guard *guard)
{
	json_add_number(o, "slips", guard->schedule.missed);
	json_add_number(o, "captures", guard->captures);
	json_add_number(o, "captures_failed", guard->captures_failed);
	json_add_number(o, "captures_refused", guard->captures_refused);
	json_add_number(o, "restarts", guard->restarts);
}

struct json_object *describe_guest(const struct guest *g)
{
	struct json_object *o = json_object_new_object();
	const struct guard *guard = &g->guard;
	const struct taken *t = taken_newest(g);
	int64_t now_ms = daemon_now_ms(), age_ms = guard_age_ms(guard, now_ms);

	json_add_text(o, "name", g->name);
	json_add_text_if(o, "domain", g->policy.domain);
	json_add_text_if(o, "connect", g->policy.connect);
	json_add_text_if(o, "qmp", g->policy.qmp);
	json_add_text(o, "state", guard_state_name(guard->state));
	json_add_time(o, "since", wall_ms() - (now_ms - guard->since_ms));
	json_add_text_if(o, "why", guard->why);
	json_add_number(o, "interval_ms", g->policy.interval_ms);
	json_add_bool(o, "late", guest_is_late(g));
	if (age_ms >= 0)
		json_add_number(o, "age_ms", age_ms);
	if (t)
		json_object_object_add(o, "checkpoint", describe_taken(t));
	add_counts(o, guard);
	json_add_text(o, "on_failure", guest_on_failure_name(&g->policy));
	if (g->asked)
		json_add_number(o, "operation", g->asked->id);
	return o;
}

static int by_name(const void *a, const void *b)
{
	const struct guest *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Those that are met, sorted. */
static size_t sort_guests(const struct daemon *d, const struct guest ***sorted)
{
	size_t count = 0, all = 0;

	for (const struct guest *g = d->guests; g; g = g->next)
		all++;
	*sorted = (const struct guest **)calloc(all + 1, sizeof(const struct guest *));
	for (const struct guest *g = d->guests; *sorted && g; g = g->next)
		if (g->stage == GUEST_GUARDED)
			(*sorted)[count++] = g;
	if (count)
		qsort((void *)*sorted, count, sizeof(const struct guest *), by_name);
	return count;
}

struct json_object *describe_guests(const struct daemon *d)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();
	const struct guest **sorted;
	size_t count = sort_guests(d, &sorted);

	json_add_text(o, "host", d->host);
	json_add_time(o, "time", wall_ms());
	for (size_t i = 0; i < count; i++)
		json_object_array_add(array, describe_guest(sorted[i]));
	free((void *)sorted);
	json_object_object_add(o, "guests", array);
	return o;
}

struct json_object *describe_history(const struct guest *g)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();

	json_add_text(o, "guest", g->name);
	json_add_number(o, "interval_ms", g->policy.interval_ms);
	for (uint64_t i = taken_oldest(g); i < g->taken; i++)
		json_object_array_add(array, describe_taken(taken_at(g, i)));
	json_object_object_add(o, "captures", array);
	return o;
}

struct json_object *describe_policy(const char *guest, const struct policy *p)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", guest);
	json_add_number(o, "generation", p->generation);
	json_object_object_add(o, "settings", policy_settings(p));
	return o;
}
