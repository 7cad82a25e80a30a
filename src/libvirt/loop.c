/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/loop.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "libvirt/error.h"
#include "vmguard/clock.h"
#include "vmguard/deadline.h"

/* libvirt would print its errors: they are told by those who get them. */
static void keep_quiet(void *unused, virErrorPtr error)
{
	(void)unused;
	(void)error;
}

static void *run_loop(void *unused)
{
	(void)unused;
	for (;;)
		if (virEventRunDefaultImpl() < 0)
			sleep_us(100000);
	return NULL;
}

static int start(struct fault *f)
{
	sigset_t all, before;

	virSetErrorFunc(NULL, keep_quiet);
	if (virEventRegisterDefaultImpl() < 0)
		return error_tell(f, virGetLastError());
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = deadline_detach(run_loop, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? fault_errno(f, r, "start a thread for libvirt's events") : 0;
}

int loop_start(struct fault *f)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards `started` */
	static bool started;
	int r = 0;

	pthread_mutex_lock(&mutex);
	if (!started)
		r = start(f);
	started = started || !r;
	pthread_mutex_unlock(&mutex);
	return r;
}
