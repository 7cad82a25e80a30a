/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "taken.h"

#include <inttypes.h>
#include <stdio.h>

#include "vmguard/cpus.h"

static struct json_object *cpus_object(const struct capture_result *r)
{
	struct json_object *o = json_object_new_object();
	char text[CPUS_TEXT_BYTES];

	json_add_text(o, "vcpus", cpus_format(&r->vcpu_cpus, text));
	json_add_text(o, "reader", cpus_format(&r->reader_cpus, text));
	json_add_text(o, "writers", cpus_format(&r->writer_cpus, text));
	return o;
}

static void print_json(const char *guest, const struct taken *t)
{
	const struct capture_result *r = &t->result;
	struct json_object *o = json_object_new_object();
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"checkpoint", r->id.number},	     {"epoch", r->id.epoch},
		{"total_ms", r->total_ms},	     {"pages_total", r->pages_total},
		{"pages_zero", r->pages_zero},	     {"pages_changed", r->pages_changed},
		{"pages_written", r->pages_written}, {"pages_moved", r->pages_moved},
		{"bytes_written", r->bytes_written}, {"store_writes", r->store_writes},
		{"stream_bytes", r->stream_bytes},   {"device_bytes", r->device_bytes},
		{"spool_bytes", r->spool_bytes},     {"spool_used_bytes", r->spool_used_bytes},
		{"spool_full_ms", r->spool_full_ms},
	};

	json_add_text(o, "guest", guest);
	json_add_ms(o, "pause_ms", r->pause_us);
	json_add_pause(o, &r->pause);
	json_add_number(o, "disks", r->disks);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_add_number(o, numbers[i].key, numbers[i].value);
	json_object_object_add(o, "cpus", cpus_object(r));
	if (t->prunes)
		json_add_number(o, "pruned", t->pruned);
	if (t->in_series)
		json_add_number(o, "missed", t->missed);
	json_print(o);
}

/* "; vCPUs on 0-1, transfer on 2" where both are known */
static void print_cpus(const struct capture_result *r)
{
	char vcpus[CPUS_TEXT_BYTES];
	char transfer[CPUS_TEXT_BYTES];
	cpu_set_t set;

	CPU_OR(&set, &r->reader_cpus, &r->writer_cpus);
	if (CPU_COUNT(&set) && CPU_COUNT(&r->vcpu_cpus))
		printf("; vCPUs on %s, transfer on %s", cpus_format(&r->vcpu_cpus, vcpus),
		       cpus_format(&set, transfer));
}

/* "; 2 disks (stop 1.2, disks 40.1, devices 7.3, resume 0.5, own 0.4 ms)" */
static void print_disks(const struct capture_result *r)
{
	const struct pause_parts *p = &r->pause;

	if (!r->disks)
		return;
	printf("; %zu disk%s", r->disks, r->disks == 1 ? "" : "s");
	if (p->disks_us)
		printf(" (stop %.1f, disks %.1f, devices %.1f, resume %.1f, own %.1f ms)",
		       p->stop_us / 1e3, p->disks_us / 1e3, p->devices_us / 1e3, p->resume_us / 1e3,
		       p->own_us / 1e3);
}

static void print_text(const char *guest, const struct taken *t)
{
	const struct capture_result *r = &t->result;
	char target[TARGET_BYTES];
	char size[16];

	progress_wipe();
	printf("%s: %s in %.1f s, guest paused %.1f ms, %" PRIu64 " of %" PRIu64
	       " pages changed, %" PRIu64 " zero",
	       format_target(guest, r->id.number, target), format_bytes(r->bytes_written, size),
	       r->total_ms / 1e3, r->pause_us / 1e3, r->pages_changed, r->pages_total,
	       r->pages_zero);
	print_disks(r);
	print_cpus(r);
	if (t->pruned)
		printf("; %" PRIu64 " deleted", t->pruned);
	if (t->missed)
		printf("; %" PRIu64 " ticks missed so far", t->missed);
	printf("\n");
	if (r->spool_full_ms >= 100)
		printf("the spool was full for %.1f s and the guest may have waited: a larger "
		       "--spool or a faster store helps\n",
		       r->spool_full_ms / 1e3);
	fflush(stdout);
}

void taken_print(const struct arguments *a, const struct taken *t)
{
	if (a->json)
		print_json(a->name, t);
	else
		print_text(a->name, t);
}
