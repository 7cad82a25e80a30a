/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before a QEMU that answers from a script; its "virtual CPUs" are threads of this test. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/hypervisor.h"

static struct fault fault;

struct fake_qemu {
	struct hypervisor base;
	const char *answer; /* to query-cpus-fast; NULL: refused */
	pid_t pid;
};

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	const char *answer = ((struct fake_qemu *)h)->answer;

	ck_assert_str_eq(command, "query-cpus-fast");
	ck_assert_ptr_null(arguments);
	ck_assert_int_eq(pass_fd, -1);
	if (!answer)
		return fault_set(f, -EREMOTEIO, "no such command");
	*result = json_tokener_parse(answer);
	return 0;
}

static pid_t fake_pid(const struct hypervisor *h)
{
	return ((const struct fake_qemu *)h)->pid;
}

static struct fake_qemu *fake(const char *answer)
{
	static const struct hypervisor_ops ops = {
		.name = "fake", .execute = fake_execute, .pid = fake_pid};
	static struct fake_qemu q;

	q = (struct fake_qemu){.base.ops = &ops, .answer = answer, .pid = getpid()};
	return &q;
}

/* ---- a thread that plays a virtual CPU ------------------------------------------------ */

struct vcpu {
	pthread_t thread;
	cpu_set_t cpus;
	_Atomic pid_t id;
	_Atomic bool stop;
};

static void *vcpu_main(void *vcpu)
{
	struct vcpu *v = vcpu;

	ck_assert_int_eq(sched_setaffinity(0, sizeof(v->cpus), &v->cpus), 0);
	v->id = (pid_t)syscall(SYS_gettid);
	while (!v->stop)
		usleep(1000);
	return NULL;
}

static void vcpu_start(struct vcpu *v, const cpu_set_t *cpus)
{
	*v = (struct vcpu){.cpus = *cpus};
	ck_assert_int_eq(pthread_create(&v->thread, NULL, vcpu_main, v), 0);
	while (!v->id)
		sched_yield();
}

static void vcpu_stop(struct vcpu *v)
{
	v->stop = true;
	pthread_join(v->thread, NULL);
}

static cpu_set_t ours(void)
{
	cpu_set_t set;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	return set;
}

static int first_of(const cpu_set_t *set)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, set))
			return cpu;
	return -1;
}

static cpu_set_t one_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

static void must_spare(struct fake_qemu *q, const cpu_set_t *expected)
{
	cpu_set_t set;

	ck_assert_msg(hypervisor_spare_cpus(&q->base, &set, &fault) == 0, "%s", fault.text);
	ck_assert(CPU_EQUAL(&set, expected));
}

/* ---- cases ---------------------------------------------------------------------------- */

START_TEST(finds_the_threads_of_the_virtual_cpus)
{
	struct fake_qemu *q = fake("[{\"cpu-index\":0,\"thread-id\":12},"
				   "{\"cpu-index\":1,\"target\":\"x86_64\",\"thread-id\":99}]");
	pid_t *threads;
	size_t count;

	ck_assert_int_eq(hypervisor_vcpu_threads(&q->base, &threads, &count, &fault), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(threads[0], 12);
	ck_assert_int_eq(threads[1], 99);
	free(threads);
}
END_TEST

START_TEST(refuses_an_answer_without_threads)
{
	static const char *const bad[] = {"[{}]",
					  "[1]",
					  "[{\"thread-id\":0}]",
					  "[{\"thread-id\":-5}]",
					  "[{\"thread-id\":7},{\"thread-id\":4294967303}]",
					  "[{\"thread-id\":\"x\"}]"};
	pid_t *threads;
	size_t count;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fake_qemu *q = fake(bad[i]);

		ck_assert_msg(hypervisor_vcpu_threads(&q->base, &threads, &count, &fault) ==
				      -EPROTO,
			      "%s", bad[i]);
		ck_assert_ptr_null(threads);
		ck_assert_uint_eq(count, 0);
	}
	ck_assert_int_eq(hypervisor_vcpu_threads(&fake(NULL)->base, &threads, &count, &fault),
			 -EREMOTEIO);
	ck_assert_ptr_null(threads);
}
END_TEST

START_TEST(spares_the_cpus_without_virtual_ones)
{
	cpu_set_t all = ours(), pinned = one_cpu(first_of(&all)), rest = all;
	char answer[64];
	struct vcpu v;

	if (CPU_COUNT(&all) < 2)
		return; /* nothing can be spared here */
	CPU_CLR(first_of(&all), &rest);
	vcpu_start(&v, &pinned);
	snprintf(answer, sizeof(answer), "[{\"thread-id\":%d}]", (int)v.id);
	must_spare(fake(answer), &rest);
	vcpu_stop(&v);
}
END_TEST

START_TEST(takes_all_where_none_is_left)
{
	cpu_set_t all = ours();
	char answer[64];
	struct vcpu v;

	vcpu_start(&v, &all);
	snprintf(answer, sizeof(answer), "[{\"thread-id\":%d}]", (int)v.id);
	must_spare(fake(answer), &all);
	vcpu_stop(&v);
}
END_TEST

START_TEST(leaves_out_cpus_that_we_may_not_use)
{
	cpu_set_t all = ours(), one = one_cpu(first_of(&all));
	char answer[64];
	struct vcpu v;

	vcpu_start(&v, &all);
	snprintf(answer, sizeof(answer), "[{\"thread-id\":%d}]", (int)v.id);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	must_spare(fake("[]"), &one);
	must_spare(fake(answer), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
	vcpu_stop(&v);
}
END_TEST

/* Its number is QEMU's, in a namespace that is not ours: process 1 here is somebody else. */
START_TEST(ignores_a_thread_that_is_not_of_this_qemu)
{
	cpu_set_t all = ours(), pinned = one_cpu(first_of(&all));
	struct fake_qemu *q;
	char answer[64];
	struct vcpu v;

	must_spare(fake("[{\"thread-id\":2147483647}]"), &all);
	vcpu_start(&v, &pinned);
	snprintf(answer, sizeof(answer), "[{\"thread-id\":%d}]", (int)v.id);
	q = fake(answer);
	q->pid = 1;
	must_spare(q, &all);
	q->pid = -1;
	must_spare(q, &all);
	vcpu_stop(&v);
}
END_TEST

UNIT_MAIN("vcpus", finds_the_threads_of_the_virtual_cpus, refuses_an_answer_without_threads,
	  spares_the_cpus_without_virtual_ones, takes_all_where_none_is_left,
	  leaves_out_cpus_that_we_may_not_use, ignores_a_thread_that_is_not_of_this_qemu)
