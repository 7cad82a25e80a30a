/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads that run the guest's CPUs, and the CPUs that they leave to others. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "vmguard/cpus.h"
#include "vmguard/hypervisor.h"

static int64_t thread_id(struct json_object *list, size_t place)
{
	struct json_object *id = NULL;

	json_object_object_get_ex(json_object_array_get_idx(list, place), "thread-id", &id);
	return json_object_get_int64(id);
}

static int copy_threads(struct json_object *list, pid_t **threads, size_t *count, struct fault *f)
{
	size_t length =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	auto_free pid_t *ids = calloc(length + 1, sizeof(*ids));

	if (!ids)
		return fault_errno(f, -ENOMEM, "find the threads of the virtual CPUs");
	for (size_t i = 0; i < length; i++) {
		int64_t id = thread_id(list, i);

		if (id <= 0 || id > INT32_MAX)
			return fault_set(f, -EPROTO,
					 "QEMU does not say which thread runs virtual CPU %zu", i);
		ids[i] = (pid_t)id;
	}
	*threads = give(ids);
	*count = length;
	return 0;
}

int hypervisor_vcpu_threads(struct hypervisor *h, pid_t **threads, size_t *count, struct fault *f)
{
	struct json_object *list = NULL;

	*threads = NULL;
	*count = 0;
	int r = hypervisor_execute(h, "query-cpus-fast", NULL, &list, f);
	if (!r)
		r = copy_threads(list, threads, count, f);
	json_object_put(list);
	return r;
}

/*
 * QEMU counts threads in its own PID namespace: in ours that number may be a stranger's, whose
 * CPUs mean nothing.
 */
static bool is_thread_of(pid_t process, pid_t thread)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)process, (int)thread);
	return process > 0 && access(path, F_OK) == 0;
}

static void leave_out(cpu_set_t *set, const cpu_set_t *others)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, others))
			CPU_CLR(cpu, set);
}

int hypervisor_spare_cpus(struct hypervisor *h, cpu_set_t *set, struct fault *f)
{
	auto_free pid_t *threads = NULL;
	cpu_set_t ours, used;
	struct fault gone;
	size_t count = 0;
	int r = cpus_of_thread(0, &ours, f);

	if (!r)
		r = hypervisor_vcpu_threads(h, &threads, &count, f);
	if (r < 0)
		return r;
	*set = ours;
	for (size_t i = 0; i < count; i++)
		if (is_thread_of(hypervisor_pid(h), threads[i]) &&
		    !cpus_of_thread(threads[i], &used, &gone))
			leave_out(set, &used);
	if (!CPU_COUNT(set))
		*set = ours;
	return 0;
}
