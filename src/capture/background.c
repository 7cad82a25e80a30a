/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine `background`: QEMU stops the guest, saves the device state, write-protects RAM,
 * lets the guest go on, and sends each page before its first change.
 *
 * The capability background-snapshot is set last and reset always: left on, it turns the next
 * `virsh save` into a corrupt one, because the guest then runs on during the save. While our
 * snapshot is under way QEMU refuses others; before it, and from its end to our reset, migration is
 * barred:
 *
 *	check | bar | capability | check | disks | check | lift the bar | migrate | bar   …
 *	                                                    … completed | capability off | unbar
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capture/engine.h"
#include "vmguard/clock.h"

enum {
	ABOUT_TO_BEGIN_MS = 200, /* much more than from the capability to "migrate" */
	OUTLAST_MS = 10000,	 /* a migration asks its destination first */
	OUTLAST_LOOK_MS = 50,
};

static const char capability[] = "background-snapshot";
static const char fd_name[] = "vmguard";
static const char *const failures[] = {"failed", "cancelled", NULL};

static bool is_one_of(const char *word, const char *const words[])
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static int check_run_state(struct engine *e, bool allow_resume, struct fault *f)
{
	static const char *const paused[] = {"paused", "prelaunch", "postmigrate", NULL};
	char state[32];
	int r = hypervisor_run_state(e->h, state, f);

	if (r < 0 || !strcmp(state, "running"))
		return r;
	if (!strcmp(state, "inmigrate"))
		return fault_set(f, -EPERM,
				 "the guest is waiting for a stream or still being "
				 "restored: take its snapshot when it runs");
	if (!is_one_of(state, paused))
		return fault_set(f, -EPERM, "the guest is in state \"%s\", not running", state);
	if (allow_resume)
		return 0;
	return fault_set(f, -EPERM,
			 "the guest is paused and QEMU would resume it: resume it yourself, or "
			 "allow that with --allow-resume");
}

static int check_migration(struct engine *e, struct fault *f)
{
	char status[32];
	int r = hypervisor_migration_status(e->h, status, f);

	if (r < 0 || migration_is_over(status))
		return r;
	if (!strncmp(status, "postcopy", strlen("postcopy")))
		return fault_set(f, -EPERM,
				 "the guest is still being restored (status \"%s\"): its "
				 "snapshot can be taken when all its memory is there",
				 status);
	return fault_set(f, -EPERM,
			 "a migration or another snapshot is under way (status \"%s\"): wait until "
			 "it is over; if it is a snapshot whose vmguard died, run vmguard rescue",
			 status);
}

static const char *name_of(struct json_object *entry)
{
	struct json_object *name = NULL;

	json_object_object_get_ex(entry, "capability", &name);
	return name ? json_object_get_string(name) : "";
}

static bool is_on(struct json_object *entry)
{
	struct json_object *state = NULL;

	json_object_object_get_ex(entry, "state", &state);
	return json_object_get_boolean(state);
}

static size_t entries_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* NULL: this QEMU does not know it. */
static struct json_object *find_ours(struct json_object *list)
{
	for (size_t i = 0; i < entries_of(list); i++)
		if (!strcmp(name_of(json_object_array_get_idx(list, i)), capability))
			return json_object_array_get_idx(list, i);
	return NULL;
}

/* QEMU refuses a background snapshot together with these (migration/options.c). */
static int check_capability_list(struct json_object *list, struct fault *f)
{
	static const char *const in_the_way[] = {
		"postcopy-ram",
		"dirty-bitmaps",
		"return-path",
		"multifd",
		"pause-before-switchover",
		"auto-converge",
		"release-ram",
		"rdma-pin-all",
		"compress",
		"xbzrle",
		"x-colo",
		"validate-uuid",
		"zero-copy-send",
		"mapped-ram",
		"x-ignore-shared",
		NULL,
	};

	for (size_t i = 0; i < entries_of(list); i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);

		if (is_on(entry) && is_one_of(name_of(entry), in_the_way))
			return fault_set(f, -EPERM,
					 "migration capability %s is on and excludes a snapshot: "
					 "switch it off",
					 name_of(entry));
	}
	if (!find_ours(list))
		return fault_set(f, -EPERM,
				 "this QEMU has no background snapshots: QEMU 6.0 or "
				 "newer is needed");
	return 0;
}

/* Left on by a vmguard that was killed, unless another one is about to begin right now. */
static int clear_leftover(struct engine *e, struct fault *f)
{
	sleep_us(ABOUT_TO_BEGIN_MS * 1000);
	int r = check_migration(e, f);

	return r < 0 ? r : hypervisor_set_capability(e->h, capability, false, f);
}

static int background_check(struct engine *e, bool allow_resume, struct fault *f)
{
	struct json_object *list = NULL;
	int r = check_migration(e, f);

	if (!r)
		r = hypervisor_execute(e->h, "query-migrate-capabilities", NULL, &list, f);
	/* Also of a guest that cannot be captured now. */
	if (!r && is_on(find_ours(list)))
		r = clear_leftover(e, f);
	if (!r)
		r = hypervisor_unbar_migration(e->h, f);
	if (!r)
		r = check_run_state(e, allow_resume, f);
	if (!r)
		r = check_capability_list(list, f);
	json_object_put(list);
	return r;
}

static void close_fd(struct engine *e)
{
	struct json_object *arguments = json_object_new_object();
	struct fault ignored;

	json_object_object_add(arguments, "fdname", json_object_new_string(fd_name));
	hypervisor_execute(e->h, "closefd", arguments, NULL, &ignored);
}

static int migrate(struct engine *e, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();
	char uri[sizeof(fd_name) + 3];

	snprintf(uri, sizeof(uri), "fd:%s", fd_name);
	json_object_object_add(arguments, "uri", json_object_new_string(uri));
	return hypervisor_execute(e->h, "migrate", arguments, NULL, f);
}

/*
 * A command whose answer is late or lost may have been carried out, and a snapshot that has begun
 * must have its reader. Gives r where it has not; else 0, and the doubt is settled by ask().
 */
static int doubt(struct engine *e, int r)
{
	struct fault ignored;
	char status[32];

	if (r != -ETIMEDOUT && r != -ECONNRESET)
		return r;
	if (!hypervisor_migration_status(e->h, status, &ignored))
		return migration_is_over(status) ? r : 0;
	e->unsure = e->doubtful = true;
	return 0;
}

/* What QEMU refuses because somebody was faster is no failure of ours; it may be one of theirs. */
static int blame(struct engine *e, bool switched_on, struct fault *f)
{
	struct fault other;

	if (f->code != -EREMOTEIO || check_migration(e, &other) != -EPERM)
		return f->code;
	e->outlasts = true; /* until then QEMU takes no settings back */
	if (switched_on)
		return fault_set(f, -EPERM,
				 "somebody else began to save or to migrate the guest at the same "
				 "moment: what they have is not usable, and has to be repeated");
	*f = other;
	return f->code;
}

/* Up to where only QEMU's copy of the descriptor has to be taken back. */
static int prepare(struct engine *e, int fd, struct fault *f)
{
	int r = hypervisor_set_capability(e->h, "events", true, f);

	return r < 0 ? r : hypervisor_give_fd(e->h, fd, fd_name, f);
}

/*
 * Whoever has begun meanwhile to save or to migrate the guest is given way to, but not before QEMU
 * has refused him: see outlast(). Our capability would spoil what he gets, and where the guest
 * stands still libvirt would leave it paused afterwards, because it has found it so.
 */
static int check_others(struct engine *e, struct fault *f)
{
	int r = hypervisor_check(e->h, f);

	e->outlasts = r == -EPERM;
	return r;
}

/* Who works on the guest already is not disturbed. */
static int switch_on(struct engine *e, struct fault *f)
{
	struct fault ignored; /* as below */
	int r = hypervisor_check(e->h, f);

	if (r < 0)
		return r;
	e->changed = true;
	hypervisor_bar_migration(e->h, &ignored);
	r = hypervisor_set_capability(e->h, capability, true, f);
	if (r == -EREMOTEIO)
		return fault_wrap(f, "QEMU needs userfaultfd write protection (kernel 5.7, and as "
				     "a normal user vm.unprivileged_userfaultfd=1)");
	return r < 0 ? r : check_others(e, f);
}

static int do_last(struct engine *e, struct fault *f)
{
	int r = e->last(e->last_context, f);

	return r < 0 ? r : check_others(e, f);
}

/*
 * Until the others' work has ended; the guest runs again. A save is barred, and for a migration
 * libvirt wants capabilities that QEMU does not have together with ours.
 */
static void outlast(struct engine *e)
{
	int64_t until_ms = monotonic_ms() + OUTLAST_MS;
	struct fault ignored;

	while (e->outlasts && monotonic_ms() < until_ms &&
	       hypervisor_check(e->h, &ignored) == -EPERM)
		sleep_us(OUTLAST_LOOK_MS * 1000);
	e->outlasts = false;
}

static int background_start(struct engine *e, int fd, struct fault *f)
{
	struct fault ignored; /* it guards against bad luck; the snapshot is good without */
	int r = prepare(e, fd, f);

	if (!r)
		r = switch_on(e, f);
	bool switched_on = !r;
	if (!r && e->last)
		r = do_last(e, f);
	/* Who begins now has more to do before QEMU migrates than these two. */
	if (!r)
		r = hypervisor_lift_bar(e->h, f);
	e->began_us = clock_us(CLOCK_REALTIME); /* QEMU's, too */
	if (!r)
		r = doubt(e, migrate(e, f));
	if (!r) {
		hypervisor_bar_migration(e->h, &ignored);
		return 0;
	}
	close_fd(e);
	return blame(e, switched_on, f);
}

/* What comes after its end is somebody else's, who was barred. */
static void note_status(struct engine_state *state, const char *status)
{
	if (state->completed)
		return;
	state->completed = !strcmp(status, "completed");
	state->failed = state->failed || is_one_of(status, failures);
}

/* Before QEMU was told to begin it is somebody else's. */
static void note_resume(const struct engine *e, struct engine_state *state, int64_t time_us)
{
	if (time_us < e->began_us) {
		state->early_us = time_us;
		state->stop_us = 0;
	} else if (state->stop_us && !state->resume_us) {
		state->resume_us = time_us;
	}
}

static void note_event(struct engine *e, struct engine_state *state,
		       const struct monitor_event *event)
{
	char status[32];

	if (!strcmp(event->name, "STOP") && !state->stop_us)
		state->stop_us = event->time_us;
	if (!strcmp(event->name, "RESUME"))
		note_resume(e, state, event->time_us);
	if (!strcmp(event->name, MONITOR_EVENTS_LOST))
		e->unsure = true;
	if (!event_is_migration(event, status))
		return;
	/* It may be of somebody who was refused before we began, and who is heard of late. */
	if (is_one_of(status, failures))
		e->unsure = true;
	else
		note_status(state, status);
}

/* Again with the next look, where it does not answer. */
static void ask(struct engine *e, struct engine_state *state)
{
	struct fault ignored;
	char status[32];

	if (hypervisor_migration_status(e->h, status, &ignored) < 0)
		return;
	if (e->doubtful && migration_is_over(status)) {
		close_fd(e);
		state->failed = true;
	}
	note_status(state, status);
	e->unsure = e->doubtful = false;
}

static int put_back(struct engine *e, struct fault *f)
{
	if (hypervisor_set_capability(e->h, capability, false, f) < 0)
		return fault_wrap(f, "the capability stays on and would spoil the next save or "
				     "migration; run vmguard rescue");
	if (hypervisor_unbar_migration(e->h, f) < 0)
		return fault_wrap(f, "the guest cannot be saved until vmguard rescue is run");
	return 0;
}

static int background_reset(struct engine *e, struct fault *f)
{
	if (!e->changed)
		return 0;
	outlast(e);
	int r = put_back(e, f);
	/* The way there was lost with the command; a QEMU that is gone says so again. */
	if (r == -ECONNRESET)
		r = put_back(e, f);
	e->changed = r < 0;
	return r;
}

static int background_wait(struct engine *e, int limit_ms, struct engine_state *state,
			   struct fault *f)
{
	struct monitor_event event;
	struct fault ignored; /* reset() tells it again */
	int r;

	while ((r = hypervisor_event(e->h, limit_ms, &event, f)) == 1) {
		note_event(e, state, &event);
		json_object_put(event.data);
		limit_ms = 0; /* and what else is here */
	}
	if (!r && e->unsure)
		ask(e, state);
	/* Not later, when the last page is stored: somebody may want to save the guest now. */
	if (!r && state->completed)
		background_reset(e, &ignored);
	return r;
}

static int background_explain(struct engine *e, struct fault *f)
{
	struct json_object *result = NULL;
	struct json_object *text = NULL;
	struct fault ignored;

	if (!hypervisor_execute(e->h, "query-migrate", NULL, &result, &ignored))
		json_object_object_get_ex(result, "error-desc", &text);
	fault_set(f, -EREMOTEIO, "QEMU's snapshot failed: %s",
		  text ? json_object_get_string(text) : "it gives no reason");
	json_object_put(result);
	return f->code;
}

void engine_init(struct engine *e, struct hypervisor *h)
{
	static const struct engine_ops background = {
		.name = "background",
		.check = background_check,
		.start = background_start,
		.wait = background_wait,
		.explain = background_explain,
		.reset = background_reset,
	};

	*e = (struct engine){.ops = &background, .h = h};
}
