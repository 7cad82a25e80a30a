/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoint that a guest is restored from, and whom it is held for. */
#include <errno.h>
#include <stdio.h>

#include "restored.h"

/* It stays unknown where QEMU is in another PID namespace. */
static void find_holder(struct restored *out, pid_t qemu)
{
	struct fault f;

	if (qemu <= 0 || holder_of(qemu, &out->holder, &f) < 0)
		out->holder = (struct holder){0};
}

static void say_unheld(const struct fault *f)
{
	fprintf(stderr, "vmguard: make sure that nobody deletes the checkpoint meanwhile: %s\n",
		f->text);
}

static void say_kept(const struct fault *f)
{
	fprintf(stderr, "vmguard: the checkpoint is kept while QEMU runs: %s\n", f->text);
}

/* The checkpoint is held for QEMU: nobody may delete it while the guest needs it. */
static int open_checkpoint(struct restored *out, struct source *source, struct fault *f)
{
	const struct target *t = &out->target;
	struct fault unheld;
	int r;

	if (out->holder.pid) {
		r = checkpoint_open_held(source->store, t->guest, t->number, &out->holder,
					 &source->checkpoint, &unheld, f);
	} else {
		fault_set(&unheld, -ESRCH, "QEMU's process cannot be seen from here");
		r = checkpoint_open(source->store, t->guest, t->number, &source->checkpoint, f);
	}
	if (!r && unheld.code)
		say_unheld(&unheld);
	return r;
}

int source_open(struct restored *out, struct source *source, pid_t qemu, struct fault *f)
{
	int r = arguments_open_store(out->arguments, &source->store, f);

	find_holder(out, qemu);
	if (!r)
		r = open_checkpoint(out, source, f);
	if (r < 0)
		return r;
	if (out->arguments->no_verify)
		checkpoint_skip_verify(source->checkpoint);
	out->number = checkpoint_manifest(source->checkpoint)->id.number;
	return 0;
}

int source_load(struct source *source, struct fault *f)
{
	int r = source->loaded ? 0 : checkpoint_load(source->checkpoint, f);

	source->loaded = !r;
	return r;
}

void source_hold_for(struct restored *out, struct source *source, pid_t pid)
{
	const struct holder before = out->holder;
	struct checkpoint *held = NULL;
	struct fault f, unheld = {0};

	find_holder(out, pid);
	int r = out->holder.pid
			? checkpoint_open_held(source->store, out->target.guest, out->number,
					       &out->holder, &held, &unheld, &f)
			: fault_set(&f, -ESRCH, "QEMU's process cannot be seen from here");
	if (r < 0)
		say_unheld(&f);
	else if (before.pid && checkpoint_release(source->checkpoint, &before, &f) < 0)
		say_kept(&f);
	checkpoint_close(held);
}

void source_close(const struct restored *out, struct source *source, int result)
{
	struct fault f;

	if (source->checkpoint && out->holder.pid && (!result || !out->result.runs) &&
	    checkpoint_release(source->checkpoint, &out->holder, &f) < 0)
		say_kept(&f);
	checkpoint_close(source->checkpoint);
	store_close(source->store);
}
