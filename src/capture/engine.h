/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine gets pages out of QEMU. There is one: `background`, QEMU's background snapshot
 * (background.c), which hands over every page. One that knows dirty pages is thinkable, so what
 * stands above must not depend on how the pages come.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/hypervisor.h"

/* What QEMU has reported. */
struct engine_state {
	bool completed;
	bool failed;
	int64_t stop_us; /* of the guest's pause; 0: not seen yet */
	int64_t resume_us;
	int64_t early_us; /* when somebody let it go on before QEMU began; 0: nobody did */
};

struct engine;
struct engine_ops {
	const char *name;

	/*
	 * Whether the guest can be captured now. Changes nothing but what an earlier capture that
	 * was killed has left. -EPERM: refused, says why.
	 */
	int (*check)(struct engine *e, bool allow_resume, struct fault *f);

	/*
	 * Makes QEMU write the stream to fd. When it fails QEMU has no copy of fd left, and
	 * reset() was not skipped by it: call that in any case. 0 also where QEMU did not answer
	 * and may have begun, so that fd is read; wait() then finds out. Calls `last`, where there
	 * is one, when nothing but the order to begin is left to be done.
	 */
	int (*start)(struct engine *e, int fd, struct fault *f);

	/*
	 * Takes in what QEMU reports within limit_ms, and resets at once where it is complete.
	 * -ECONNRESET: QEMU is gone.
	 */
	int (*wait)(struct engine *e, int limit_ms, struct engine_state *state, struct fault *f);

	/* QEMU's own words for a failure. */
	int (*explain)(struct engine *e, struct fault *f);

	/* Puts QEMU's settings back. */
	int (*reset)(struct engine *e, struct fault *f);
};

struct engine {
	const struct engine_ops *ops;
	struct hypervisor *h;
	bool changed;	  /* settings of QEMU that reset() puts back */
	bool unsure;	  /* QEMU has to be asked how it is: events were lost */
	bool doubtful;	  /* and whether it began at all */
	bool outlasts;	  /* reset() waits until somebody else has ended */
	int64_t began_us; /* since 1970: when QEMU was told to */
	int (*last)(void *context, struct fault *f); /* the caller's; NULL: nothing */
	void *last_context;
};

/* The engine for a guest. */
void engine_init(struct engine *e, struct hypervisor *h);
