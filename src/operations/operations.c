/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/operations.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmguard/clock.h"
#include "vmguard/json_add.h"

struct operations {
	struct operation *newest;
	uint64_t next_id;
	uint64_t ended; /* so far */
};

static const char *const kinds[] = {"capture", "restore"};
static const char *const states[] = {"running", "cancelling", "done", "failed", "cancelled"};

/* Numbers begin at the time, so that those of an earlier daemon do not come again. */
int operations_new(struct operations **all, struct fault *f)
{
	struct operations *made = calloc(1, sizeof(*made));

	if (!made)
		return fault_errno(f, -ENOMEM, "keep operations");
	made->next_id = (uint64_t)wall_ms();
	*all = made;
	return 0;
}

void operations_close(struct operations *all)
{
	if (!all)
		return;
	for (struct operation *o; (o = all->newest);) {
		all->newest = o->older;
		free(o);
	}
	free(all);
}

struct operation *operation_begin(struct operations *all, enum operation_kind kind,
				  const char *guest, const char *who, int64_t now_ms)
{
	struct operation *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->id = all->next_id++;
	o->kind = kind;
	o->started_ms = now_ms;
	o->progress = -1;
	snprintf(o->guest, sizeof(o->guest), "%s", guest);
	snprintf(o->who, sizeof(o->who), "%s", who ? who : "");
	o->older = all->newest;
	all->newest = o;
	return o;
}

void operation_let_cancel(struct operation *o, void (*cancel)(void *context), void *context)
{
	o->cancel = cancel;
	o->context = context;
}

void operation_progress(struct operation *o, double progress)
{
	if (progress == o->progress)
		return;
	o->progress = progress;
	o->version++;
}

bool operation_is_over(const struct operation *o)
{
	return o->ended_ms != 0;
}

/* The first that ended, not the first that began: whoever waits for a long one still finds it. */
static void forget_oldest(struct operations *all)
{
	struct operation **oldest = NULL;

	for (struct operation **at = &all->newest; *at; at = &(*at)->older)
		if (operation_is_over(*at) && (!oldest || (*at)->end < (*oldest)->end))
			oldest = at;
	assert(oldest);
	struct operation *o = *oldest;
	*oldest = o->older;
	free(o);
}

void operation_end(struct operations *all, struct operation *o, const char *why, int64_t now_ms)
{
	bool cancelled = o->state == OPERATION_CANCELLING;

	o->state = !why ? OPERATION_DONE : cancelled ? OPERATION_CANCELLED : OPERATION_FAILED;
	snprintf(o->fault, sizeof(o->fault), "%s", why ? why : "");
	o->ended_ms = now_ms;
	o->cancel = NULL;
	o->version++;
	if (!why && o->progress >= 0)
		o->progress = 1;
	o->end = ++all->ended;
	if (all->ended > OPERATIONS_ENDED_KEPT)
		forget_oldest(all);
}

int operation_cancel(struct operation *o, struct fault *f)
{
	if (operation_is_over(o))
		return fault_set(f, -EALREADY, "operation %" PRIu64 " of %s has ended: %s", o->id,
				 o->guest, states[o->state]);
	if (o->state == OPERATION_CANCELLING)
		return 0;
	if (!o->cancel)
		return fault_set(f, -EOPNOTSUPP,
				 "operation %" PRIu64 ", the %s of %s, cannot be cancelled: the "
				 "guest could run already and needs what is under way",
				 o->id, kinds[o->kind], o->guest);
	o->state = OPERATION_CANCELLING;
	o->version++;
	o->cancel(o->context);
	return 0;
}

const struct operation *operations_newest(const struct operations *all)
{
	return all->newest;
}

struct operation *operations_find(const struct operations *all, uint64_t id)
{
	struct operation *o = all->newest;

	while (o && o->id != id)
		o = o->older;
	return o;
}

struct json_object *operation_json(const struct operation *o)
{
	struct json_object *json = json_object_new_object();

	json_add_number(json, "id", o->id);
	json_add_text(json, "kind", kinds[o->kind]);
	json_add_text(json, "guest", o->guest);
	json_add_text(json, "state", states[o->state]);
	json_add_text_if(json, "who", o->who);
	json_add_time(json, "started", o->started_ms);
	if (operation_is_over(o))
		json_add_time(json, "ended", o->ended_ms);
	if (o->progress >= 0)
		json_object_object_add(json, "progress", json_object_new_double(o->progress));
	json_add_bool(json, "cancellable", o->cancel != NULL);
	if (o->checkpoint)
		json_add_number(json, "checkpoint", o->checkpoint);
	json_add_text_if(json, "fault", o->fault);
	return json;
}
